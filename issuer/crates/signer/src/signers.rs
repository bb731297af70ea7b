//! Several signers as one: each key is opened by the one that made it, and one makes the new keys.
//!
//! So a cluster moves from one signer to another by an ordinary rotation: the next key is prepared by the new
//! one, and those of the old sign until it is active.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::VerifyingKey;

use crate::remote::kept_by;

/// Who keeps private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// This process.
    Local,
    /// Vault's transit engine.
    Vault,
    /// A hardware security module.
    Pkcs11,
}

impl Backend {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Local, Self::Vault, Self::Pkcs11];

    /// As handles and the configuration call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Vault => "vault",
            Self::Pkcs11 => "pkcs11",
        }
    }
}

/// The signers there are.
pub struct Signers {
    makes: Backend,
    there: Vec<(Backend, Arc<dyn Signer>)>,
}

impl Signers {
    /// Those that are there, and the one of them that makes the new keys.
    #[must_use]
    pub fn new(makes: Backend, there: Vec<(Backend, Arc<dyn Signer>)>) -> Self {
        Self { makes, there }
    }

    fn of(&self, backend: Backend) -> Option<&Arc<dyn Signer>> {
        self.there.iter().find(|(there, _)| *there == backend).map(|(_, signer)| signer)
    }

    fn maker(&self) -> Result<&Arc<dyn Signer>, SignerError> {
        self.of(self.makes).ok_or_else(|| SignerError::Generate("there is no such signer".into()))
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there: Vec<_> = self.there.iter().map(|(backend, _)| backend).collect();
        f.debug_struct("Signers").field("makes", &self.makes).field("there", &there).finish()
    }
}

#[async_trait]
impl Signer for Signers {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        self.maker()?.generate(kind).await
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let name = kept_by(handle).unwrap_or(Backend::Local.as_str());
        let backend = Backend::ALL.into_iter().find(|backend| backend.as_str() == name);
        match backend.and_then(|backend| self.of(backend)) {
            Some(signer) => signer.open(verifying_key, handle).await,
            None => Err(SignerError::Open(
                format!("the key is kept by {name}; keep [signer.{name}] until it signs no more")
                    .into(),
            )),
        }
    }

    async fn found(&self, kind: KeyKind) -> Result<Option<NewKey>, SignerError> {
        self.maker()?.found(kind).await
    }
}
