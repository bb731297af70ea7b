//! Why Vault did not do what it was asked.

use http::StatusCode;
use moneyer_authority::signer::SignerError;
use moneyer_authority::store::Cause;

use super::transport::TransportError;

/// Longest text of Vault's that is repeated in a log, in bytes.
const LONGEST_TEXT: usize = 400;

/// Why Vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// No connection or no answer.
    #[error("Vault cannot be reached")]
    Transport(#[source] TransportError),
    /// No answer in the time a token may take.
    #[error("Vault did not answer within {} ms", .0.as_millis())]
    Slow(std::time::Duration),
    /// Sealed, a standby that cannot forward, or a proxy before it whose Vault is gone.
    #[error("Vault answers {status} ({text})")]
    Away {
        /// The status.
        status: StatusCode,
        /// What it says.
        text: String,
    },
    /// Its quota is used up.
    #[error("Vault answers that it is asked too often")]
    Quota,
    /// The token is good no more, or its policy does not allow it; the same with a new token.
    #[error(
        "Vault denies {method} {path} ({text}); does the policy of Moneyer's token allow it, and is its \
         log-in still good?"
    )]
    Denied {
        /// What was asked.
        method: &'static str,
        /// Of which path.
        path: String,
        /// What it says.
        text: String,
    },
    /// It refuses the request.
    #[error("Vault refuses with {status}: {text}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it says.
        text: String,
    },
    /// There is no such transit key.
    #[error("there is no transit key {0}")]
    NoKey(String),
    /// A version is no longer there.
    #[error(
        "version {version} of the transit key {name} is not there: it was trimmed, or \
         min_decryption_version is above it"
    )]
    NoVersion {
        /// Which key.
        name: String,
        /// Which version.
        version: u32,
    },
    /// A version must not sign any more.
    #[error(
        "min_encryption_version of the transit key {name} is above {version}, so Vault signs nothing with the \
         version that signs here; set it to {version} or lower until a newer key is active"
    )]
    BelowMinimum {
        /// Which key.
        name: String,
        /// The version that was to sign.
        version: u32,
    },
    /// The transit key is of another type.
    #[error(
        "the transit key {name} is of type {found}, and {wanted} is needed; take another key_prefix"
    )]
    Type {
        /// Which key.
        name: String,
        /// Of which type it is.
        found: String,
        /// Of which it has to be.
        wanted: &'static str,
    },
    /// It signed with another version than it was asked to.
    #[error("Vault signed with version {found} where version {asked} was asked for")]
    Version {
        /// Which one was asked for.
        asked: u32,
        /// Which one signed.
        found: u32,
    },
    /// An answer that the API does not have.
    #[error("Vault's answer is not what its API says: {0}")]
    Answer(&'static str),
    /// A public key that cannot be used.
    #[error("the public half of a version cannot be used")]
    Public(#[source] Cause),
    /// A file with the secret of the log-in cannot be read.
    #[error("the file {path} of Vault's log-in cannot be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file with the secret of the log-in holds nothing, or something else.
    #[error("the file {path} holds no secret of Vault's log-in: {what}")]
    NoSecret {
        /// Which.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The request could not be written.
    #[error("a request to Vault could not be written")]
    Request(#[source] Cause),
}

impl VaultError {
    /// Whether Vault is away or lets nobody in: then no key of it signs.
    pub(super) fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Transport(_)
                | Self::Slow(_)
                | Self::Away { .. }
                | Self::Denied { .. }
                | Self::File { .. }
                | Self::NoSecret { .. }
        )
    }

    /// Why a token is not signed.
    pub(super) fn into_signing(self) -> SignerError {
        match self {
            Self::Quota => SignerError::Overloaded,
            error if error.is_outage() => SignerError::Unavailable(error.into()),
            error => SignerError::Sign(error.into()),
        }
    }

    /// Why a key is not made.
    pub(super) fn into_making(self) -> SignerError {
        match self {
            Self::Denied { .. } => SignerError::Generate(self.into()),
            Self::Quota => SignerError::Overloaded,
            error if error.is_outage() => SignerError::Unavailable(error.into()),
            error => SignerError::Generate(error.into()),
        }
    }
}

/// What Vault says, short and without anything that a terminal would obey.
pub(super) fn said(errors: &[String]) -> String {
    let mut text = errors.join("; ").replace(['\n', '\t'], " ");
    text.retain(|char| !char.is_control());
    let mut end = LONGEST_TEXT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    let text = text.trim();
    if text.is_empty() { "no reason is given".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vault_says_is_short_and_obeyed_by_no_terminal() {
        let errors = ["1 error occurred:\n\t* permission denied\n\n".to_owned()];
        assert_eq!(said(&errors), "1 error occurred:  * permission denied");
        assert_eq!(said(&["\u{1b}[31m".to_owned(), "é".repeat(400)]).len(), 400);
        assert_eq!(said(&[]), "no reason is given");
    }
}
