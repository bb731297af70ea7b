//! Who somebody is, by a token of another issuer.

use aws_lc_rs::digest::{SHA256, digest};
use moneyer_identity::spiffe::{JwtSvidError, TrustDomain, VerifiedJwtSvid};
use moneyer_identity::{
    ErrorClass, ExaminedForeignToken, ForeignKeys, ForeignTokenError, UnixTime, claimed_issuer,
    error_chain,
};
use serde_json::Value;

use super::client::{ClientIdentifier, ClientIdentifierError};
use super::kubernetes::{KubernetesFacts, facts};
use super::review::UnreviewedSubject;
use super::source::{Purpose, SourceKind, SubjectSource, SubjectSources};
use crate::login::LoginError;

/// Why a proof is none: for logs and audit records, never for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// No issuer of this name is taken.
    #[error("tokens of the issuer {0:?} are not taken")]
    UnknownIssuer(String),
    /// There are no keys to verify with at this moment.
    #[error("there is no key set of {0}: it was not fetched, or is too old")]
    NoKeys(String),
    /// The token is refused.
    #[error("the token is refused")]
    Token(#[source] ForeignTokenError),
    /// The subject of a cluster's token is no service account.
    #[error("the subject {0:?} is not a service account")]
    NotAnAccount(String),
    /// The subject is no client.
    #[error("the subject cannot be a client")]
    Client(#[source] ClientIdentifierError),
    /// The API server could not be asked.
    #[error("the API server of {cluster} could not be asked: {cause}")]
    NotReviewed {
        /// The name of the cluster here.
        cluster: String,
        /// What went wrong.
        cause: String,
    },
    /// The API server was asked, and said no.
    #[error("the API server does not authenticate the token: {0}")]
    NotAuthenticated(String),
    /// The API server says of the token what the token does not say of itself.
    #[error("the token and the review of it disagree on {0}")]
    Disagreement(&'static str),
    /// Whoever it is, it may not manage.
    #[error("the service account {0} may not manage, and its API server is not asked about it")]
    NotAManager(ClientIdentifier),
    /// There are no authorities of the trust domain to verify with at this moment.
    #[error("there is no bundle of {0} in force: it was not fetched, or is too old")]
    NoBundle(TrustDomain),
    /// The JWT-SVID is refused.
    #[error("the JWT-SVID is refused")]
    Svid(#[source] JwtSvidError),
    /// The JWT-SVID is not as the rules of its trust domain have it.
    #[error("the JWT-SVID is refused: {0}")]
    SvidRules(String),
}

impl SubjectError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            // What is missing here is not the client's fault.
            Self::NoKeys(_) | Self::NotReviewed { .. } | Self::NoBundle(_) => {
                ErrorClass::Unavailable
            }
            Self::NotAManager(_) => ErrorClass::Denied,
            _ => ErrorClass::Unauthenticated,
        }
    }

    /// The issuer whose newer keys may take what these refuse.
    #[must_use]
    pub fn may_be_stale(&self) -> Option<&str> {
        match self {
            Self::NoKeys(issuer) | Self::Token(ForeignTokenError::UnknownKey { issuer, .. }) => {
                Some(issuer)
            }
            _ => None,
        }
    }
}

impl SubjectError {
    /// The trust domain whose newer authorities may take what these refuse.
    #[must_use]
    pub fn stale_domain(&self) -> Option<&TrustDomain> {
        match self {
            Self::NoBundle(trust_domain)
            | Self::Svid(JwtSvidError::UnknownKey { trust_domain, .. }) => Some(trust_domain),
            _ => None,
        }
    }

    /// Of what a log-in would say of the same JWT-SVID.
    pub(crate) fn of_svid(error: LoginError) -> Self {
        match error {
            LoginError::NoBundle(trust_domain) => Self::NoBundle(trust_domain),
            LoginError::Jwt(error) => Self::Svid(error),
            other => Self::SvidRules(error_chain(&other)),
        }
    }
}

/// What came of looking at a token here.
#[derive(Debug, Clone)]
pub enum Examined {
    /// It is verified.
    Verified(VerifiedSubject),
    /// Nothing here refuses it, and its API server decides.
    Unreviewed(UnreviewedSubject),
}

/// Who somebody is, proved by a token of an issuer that is taken.
///
/// Only [`Examined::of`] and [`UnreviewedSubject::confirm`] make one.
#[derive(Debug, Clone)]
pub struct VerifiedSubject {
    pub(super) client: ClientIdentifier,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) expires_at: UnixTime,
    pub(super) kubernetes: Option<KubernetesFacts>,
    pub(super) earlier_actors: Option<Value>,
    pub(super) digest: [u8; 32],
}

impl Examined {
    /// Looks at a token by the rules of its issuer. `keys` is asked for the keys of that one, if they are needed.
    pub fn of<'k>(
        text: &str,
        sources: &SubjectSources,
        purpose: Purpose<'_>,
        keys: impl FnOnce(&SubjectSource) -> Option<std::sync::Arc<ForeignKeys>> + 'k,
        now: UnixTime,
    ) -> Result<Self, SubjectError> {
        let issuer = claimed_issuer(text).map_err(SubjectError::Token)?;
        let source = sources.of_issuer(&issuer);
        let source = source.ok_or(SubjectError::UnknownIssuer(issuer))?;
        let rules = source.rules(purpose);
        let token = match source.verification.key_set() {
            Some(_) => {
                let keys = keys(source);
                let keys = keys.ok_or_else(|| SubjectError::NoKeys(source.issuer.clone()))?;
                rules.verify(text, &keys, now).map(|token| ExaminedForeignToken::clone(&token))
            }
            None => rules.examine(text, now),
        };
        let token = token.map_err(SubjectError::Token)?;
        let subject = VerifiedSubject::said(source, &token, text)?;
        if source.verification.api_server().is_none() {
            return Ok(Self::Verified(subject));
        }
        let expected = source.audiences_for(purpose);
        UnreviewedSubject::new(subject, source, &token, expected).map(Self::Unreviewed)
    }
}

impl VerifiedSubject {
    /// Who a token says it is.
    fn said(
        source: &SubjectSource,
        token: &ExaminedForeignToken,
        text: &str,
    ) -> Result<Self, SubjectError> {
        let kubernetes = match source.kind {
            SourceKind::Kubernetes => Some(facts(token)?),
            SourceKind::Oidc => None,
        };
        let client = format!("{}{}", source.prefix, token.subject());
        let client = ClientIdentifier::parse(&client).map_err(SubjectError::Client)?;
        if client.is_pattern() {
            return Err(SubjectError::Client(ClientIdentifierError::Star));
        }
        Ok(Self {
            client,
            subject: token.subject().to_owned(),
            issuer: token.issuer().to_owned(),
            expires_at: token.expires_at(),
            kubernetes,
            earlier_actors: token.claims().get("act").filter(|act| act.is_object()).cloned(),
            digest: sha256(text),
        })
    }

    /// The workload that shows a JWT-SVID, whose SPIFFE ID is its name as a client.
    pub(crate) fn of_svid(svid: &VerifiedJwtSvid, text: &str) -> Result<Self, SubjectError> {
        let id = svid.id();
        let client = ClientIdentifier::parse(id.as_str()).map_err(SubjectError::Client)?;
        Ok(Self {
            client,
            subject: id.as_str().to_owned(),
            issuer: format!("spiffe://{}", id.trust_domain()),
            expires_at: svid.expires_at(),
            kubernetes: None,
            earlier_actors: svid.claims().get("act").filter(|act| act.is_object()).cloned(),
            digest: sha256(text),
        })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &ClientIdentifier {
        &self.client
    }

    /// `sub` of its token.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `iss` of its token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// When its proof ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Where it runs, where its token says so.
    #[must_use]
    pub fn kubernetes(&self) -> Option<&KubernetesFacts> {
        self.kubernetes.as_ref()
    }

    /// The uid of its service account.
    #[must_use]
    pub fn account_uid(&self) -> Option<&str> {
        let account = self.kubernetes.as_ref()?.service_account.as_ref()?;
        Some(&account.uid)
    }

    /// Who acted before, as its token tells (RFC 8693 section 4.1).
    #[must_use]
    pub fn earlier_actors(&self) -> Option<&Value> {
        self.earlier_actors.as_ref()
    }

    /// The SHA-256 of its token, which names it without being it.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

pub(super) fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}
