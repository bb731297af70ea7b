//! Why no certificate was had.

use instant_acme::Problem;
use moneyer_authority::enrollment::CertificateError;
use moneyer_authority::store::StoreError;
use moneyer_daemon::tls::TlsError;

/// Why an attempt brought no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcmeError {
    /// The account could not be made or found again.
    #[error("no account could be had at the ACME server")]
    Account(#[source] instant_acme::Error),
    /// What is kept of the account cannot be read.
    #[error("the stored ACME account cannot be read")]
    StoredAccount(#[source] serde_json::Error),
    /// The order was not taken, or not found again.
    #[error("the ACME server took no order for this host")]
    Order(#[source] instant_acme::Error),
    /// The server does not offer the one challenge that is answered here.
    #[error("the ACME server offers no tls-alpn-01 challenge for this host")]
    NoChallenge,
    /// The challenge could not be fetched or begun.
    #[error("the challenge could not be begun")]
    Begin(#[source] instant_acme::Error),
    /// The server did not find the answer at the host.
    #[error(
        "the ACME server did not find the answer to its challenge; does port 443 of the host lead to \
         the public listener, without a proxy that ends TLS?"
    )]
    Refused(#[source] Problem),
    /// The order came to a bad end without a word.
    #[error("the order has ended without a certificate, and the ACME server does not say why")]
    Ended,
    /// The order was not ready in time.
    #[error("the ACME server did not finish with the challenge")]
    Waiting(#[source] instant_acme::Error),
    /// The certificate was not issued.
    #[error("the ACME server issued no certificate")]
    Issue(#[source] instant_acme::Error),
    /// What was issued cannot be used.
    #[error("what the ACME server issued cannot be used")]
    Unusable(#[source] TlsError),
    /// What was issued is for another host, or not valid now.
    #[error("what the ACME server issued is not for this host and time")]
    Misissued,
    /// A key, a request or an answer could not be made.
    #[error("a key or certificate could not be made")]
    Make(#[source] CertificateError),
    /// The answer to the challenge could not be served.
    #[error("the answer to the challenge cannot be served")]
    Answer(#[source] TlsError),
    /// The record could not be written.
    #[error("it could not be kept")]
    Store(#[source] StoreError),
    /// It took too long altogether.
    #[error("it took longer than {} s altogether", super::order::LONGEST.as_secs())]
    TooLong,
}

impl AcmeError {
    /// Whether another order has to be made: this one leads nowhere.
    pub(super) fn ends_the_order(&self) -> bool {
        match self {
            Self::NoChallenge
            | Self::Refused(_)
            | Self::Ended
            | Self::Unusable(_)
            | Self::Misissued => true,
            Self::Order(error) | Self::Begin(error) | Self::Issue(error) | Self::Waiting(error) => {
                matches!(error, instant_acme::Error::Api(_))
            }
            _ => false,
        }
    }

    /// Whether the server does not know the account (RFC 8555 section 6.7).
    pub(super) fn ends_the_account(&self) -> bool {
        let (Self::Account(error) | Self::Order(error)) = self else { return false };
        let instant_acme::Error::Api(problem) = error else { return false };
        problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist")
    }
}
