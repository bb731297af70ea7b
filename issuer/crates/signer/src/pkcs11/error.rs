//! Why a security module did not do what it was asked.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};
use moneyer_authority::signer::SignerError;
use moneyer_authority::store::Cause;

/// Why a security module did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// The library cannot be loaded or set up.
    #[error("the PKCS#11 library {path} cannot be used")]
    Library {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<Error>,
    },
    /// The token is not there.
    #[error("there is no token {0}; `pkcs11-tool --list-token-slots` shows those there are")]
    NoToken(String),
    /// Several tokens go by that label.
    #[error("{0} tokens go by that label; name the slot")]
    SeveralTokens(usize),
    /// The file with the PIN cannot be read.
    #[error("the PIN file {path} cannot be read")]
    PinFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file with the PIN is no PIN.
    #[error("the PIN file {0} is empty, longer than 256 bytes or no text")]
    NoPin(PathBuf),
    /// The PIN was refused before.
    #[error(
        "the token refused the PIN of the PIN file, and a few wrong ones lock it; it is tried again when the \
         file holds another"
    )]
    PinRefused,
    /// A call failed.
    #[error("the security module failed")]
    Call(#[source] Box<Error>),
    /// There is no such key.
    #[error("the token holds no private key with CKA_ID {0}")]
    NoKey(String),
    /// The key that was made is not kept as it has to be.
    #[error("the token made a key that could be taken out of it; it was destroyed")]
    Extractable,
    /// What the token says of a key is no public key.
    #[error("the public half of the key cannot be used")]
    Public(#[source] Cause),
    /// It did not answer in time.
    #[error("the security module did not answer within {} ms", .0.as_millis())]
    Slow(std::time::Duration),
}

impl From<Error> for Pkcs11Error {
    fn from(error: Error) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Pkcs11Error {
    /// Whether a new session and a new log-in may mend it.
    pub(super) fn is_lost(&self) -> bool {
        let Self::Call(error) = self else { return false };
        let Error::Pkcs11(code, _) = &**error else { return false };
        matches!(
            code,
            RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::DeviceRemoved
                | RvError::DeviceError
                | RvError::TokenNotPresent
                | RvError::UserNotLoggedIn
                | RvError::CryptokiNotInitialized
                | RvError::KeyHandleInvalid
                | RvError::ObjectHandleInvalid
                | RvError::GeneralError
        )
    }

    /// Whether the library was shut down under its sessions.
    pub(super) fn is_shut_down(&self) -> bool {
        let Self::Call(error) = self else { return false };
        matches!(**error, Error::Pkcs11(RvError::CryptokiNotInitialized, _))
    }

    /// Whether the module is away: then no key of it signs.
    pub(super) fn is_outage(&self) -> bool {
        !matches!(self, Self::NoKey(_) | Self::Extractable | Self::Public(_))
    }

    /// Why a token is not signed.
    pub(super) fn into_signing(self) -> SignerError {
        if self.is_outage() {
            SignerError::Unavailable(self.into())
        } else {
            SignerError::Sign(self.into())
        }
    }

    /// Why a key is not made.
    pub(super) fn into_making(self) -> SignerError {
        match self {
            error @ Self::Call(_) => SignerError::Generate(error.into()),
            error if error.is_outage() => SignerError::Unavailable(error.into()),
            error => SignerError::Generate(error.into()),
        }
    }
}
