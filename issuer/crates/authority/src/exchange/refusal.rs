//! Why nothing is given in exchange.

use moneyer_identity::ErrorClass;

use super::client::ClientIdentifier;
use super::grant::NotGranted;
use super::request::RequestError;
use super::subject::SubjectError;
use crate::mint::MintError;
use crate::store::StoreError;

/// Why nothing is given in exchange: for logs and audit records. The caller is told an error code of OAuth 2.0.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The request is none.
    #[error(transparent)]
    Request(RequestError),
    /// The subject token is no proof.
    #[error("the subject token is refused")]
    Subject(#[source] SubjectError),
    /// The actor token is no proof.
    #[error("the actor token is refused")]
    Actor(#[source] SubjectError),
    /// Nothing is granted.
    #[error(transparent)]
    NotGranted(NotGranted),
    /// The proof ends at this moment: a token would be over before it is used.
    #[error("the proof is over")]
    Over,
    /// The proof was exchanged before, and is good for one exchange alone.
    #[error("the subject token was exchanged before")]
    Spent,
    /// It could not be kept that the proof is spent.
    #[error("it could not be kept that the subject token is spent")]
    Spending(#[source] StoreError),
    /// The client, or its issuer's clients together, are beyond their share.
    #[error("{0}, or the clients of its issuer, ask too often")]
    TooOften(ClientIdentifier),
    /// The token was not minted.
    #[error(transparent)]
    Mint(MintError),
}

impl ExchangeError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Request(_) => ErrorClass::Invalid,
            Self::Subject(error) | Self::Actor(error) => error.class(),
            Self::Over | Self::Spent => ErrorClass::Unauthenticated,
            Self::NotGranted(_) => ErrorClass::Denied,
            Self::Spending(error) => error.class(),
            Self::TooOften(_) => ErrorClass::Exhausted,
            Self::Mint(error) => error.class(),
        }
    }

    /// The issuer whose newer keys may take what these refuse.
    #[must_use]
    pub fn may_be_stale(&self) -> Option<&str> {
        match self {
            Self::Subject(error) | Self::Actor(error) => error.may_be_stale(),
            _ => None,
        }
    }
}
