//! Why somebody is not let in, and why a policy is not put or removed.

use moneyer_identity::spiffe::{
    ChainError, JwtSvidError, LeafError, RuleError, SpiffeId, TrustDomain,
};
use moneyer_identity::{ErrorClass, LifetimeError, PolicyName};

use super::keeper::MAXIMUM_POLICIES;
use super::policy::PolicyError;
use crate::audit::{AuditError, LedgerError};
use crate::mint::MintError;
use crate::store::StoreError;

/// Why somebody is not let in: for logs and audit records. The caller is told one constant text.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Neither a token nor a certificate was shown.
    #[error("no SVID was shown")]
    Nothing,
    /// The trust domain may not log in.
    #[error("the trust domain {0} may not log in; `[[login.trust_domain]]` names those that may")]
    UnknownDomain(TrustDomain),
    /// There are no authorities to verify with at this moment.
    #[error("there is no bundle of {0} in force: it was not fetched, or is too old")]
    NoBundle(TrustDomain),
    /// The configured rules are none.
    #[error("the rules for the trust domain cannot be used")]
    Rules(#[source] RuleError),
    /// The JWT-SVID is refused.
    #[error("the JWT-SVID is refused")]
    Jwt(#[source] JwtSvidError),
    /// `iss` is not what it has to be.
    #[error("the JWT-SVID does not name the issuer that its trust domain has to name")]
    Issuer,
    /// The certificate is no X.509-SVID.
    #[error("the certificate is not an X.509-SVID")]
    Leaf(#[source] LeafError),
    /// The X.509-SVID is refused.
    #[error("the X.509-SVID is refused")]
    X509(#[source] ChainError),
    /// A policy that another coordinator has put cannot be read here.
    #[error(
        "a policy cannot be read at this coordinator, so nobody is let in by any; /readyz says which one, and the others \
         may be asked"
    )]
    Unreadable,
    /// No policy names it.
    #[error("no policy names {0}; `moneyer policy explain {0}` says which come near")]
    Unnamed(SpiffeId),
    /// A policy denies it.
    #[error("the policy {policy} denies {id}")]
    Denied {
        /// Whom.
        id: SpiffeId,
        /// Which policy.
        policy: PolicyName,
    },
    /// It, or its trust domain, is beyond its share.
    #[error("{0} or its trust domain logs in too often")]
    TooOften(SpiffeId),
    /// The lifetime that was asked for is out of range.
    #[error(transparent)]
    Lifetime(LifetimeError),
    /// The token was not minted.
    #[error(transparent)]
    Mint(MintError),
}

impl LoginError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Lifetime(_) => ErrorClass::Invalid,
            Self::TooOften(_) => ErrorClass::Exhausted,
            Self::Rules(_) => ErrorClass::Internal,
            // What is missing here is not the workload's fault.
            Self::NoBundle(_) | Self::Unreadable => ErrorClass::Unavailable,
            Self::Mint(error) => error.class(),
            Self::Nothing
            | Self::UnknownDomain(_)
            | Self::Jwt(_)
            | Self::Issuer
            | Self::Leaf(_)
            | Self::X509(_)
            | Self::Unnamed(_)
            | Self::Denied { .. } => ErrorClass::Unauthenticated,
        }
    }

    /// Who it was about, where that was verified.
    #[must_use]
    pub fn about(&self) -> Option<&SpiffeId> {
        match self {
            Self::Unnamed(id) | Self::TooOften(id) | Self::Denied { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The trust domain whose newer authorities may take what these refuse.
    #[must_use]
    pub fn may_be_stale(&self) -> Option<&TrustDomain> {
        match self {
            Self::NoBundle(trust_domain)
            | Self::Jwt(JwtSvidError::UnknownKey { trust_domain, .. }) => Some(trust_domain),
            _ => None,
        }
    }
}

/// Why policies cannot be loaded or changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The records cannot be read or written.
    #[error("the policies cannot be read or written")]
    Store(#[source] StoreError),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// What is said is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The token could never live as long as it may.
    #[error(transparent)]
    Lifetime(LifetimeError),
    /// There is no such policy.
    #[error("there is no policy {0}; `moneyer policy list` names them")]
    NoSuchPolicy(PolicyName),
    /// The list is full.
    #[error("{MAXIMUM_POLICIES} policies are put already; remove one first")]
    TooMany,
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl PoliciesError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::Policy(_) | Self::Lifetime(_) => ErrorClass::Invalid,
            Self::NoSuchPolicy(_) => ErrorClass::NotFound,
            Self::TooMany => ErrorClass::Exhausted,
            Self::Interrupted(_) => ErrorClass::Internal,
        }
    }
}

impl From<LedgerError> for PoliciesError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
