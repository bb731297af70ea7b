//! What a cluster of the original system leaves.

use std::path::PathBuf;

use moneyer_authority::keys::Import;
use moneyer_identity::{KeyId, VerifyingKey};
use moneyer_signer::import::{ImportError, ImportedKey, ImportedPublicKey};

use crate::adoption::error::AdoptionError;
use crate::adoption::recorded::RecordedIssuer;

/// What a file may be read as.
pub(super) trait KeyFile: Sized {
    /// Reads it.
    fn parse(file: &[u8]) -> Result<Self, ImportError>;
    /// The public half.
    fn public(&self) -> &VerifyingKey;
}

impl KeyFile for ImportedKey {
    fn parse(file: &[u8]) -> Result<Self, ImportError> {
        Self::parse(file)
    }

    fn public(&self) -> &VerifyingKey {
        self.verifying_key()
    }
}

impl KeyFile for ImportedPublicKey {
    fn parse(file: &[u8]) -> Result<Self, ImportError> {
        Self::parse(file)
    }

    fn public(&self) -> &VerifyingKey {
        self.verifying_key()
    }
}

/// A key and the file it came from, for messages.
#[derive(Debug)]
pub struct AdoptedKey<K> {
    /// The file.
    pub file: PathBuf,
    /// What its tokens name: the old issuer's `kid` where its key set is known, else the thumbprint.
    pub key_id: KeyId,
    /// The key.
    pub key: K,
}

/// A file of the live keys that was left out, as the operator wished.
#[derive(Debug)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// Why it could not be adopted.
    pub cause: AdoptionError,
}

/// Everything that is adopted. Each key is in it once.
#[derive(Debug)]
pub struct Adopted {
    /// The key that signed last.
    pub primary: AdoptedKey<ImportedKey>,
    /// Further keys that were published. In the original system they sign nothing.
    pub live: Vec<AdoptedKey<ImportedKey>>,
    /// Keys that verify only. Their private halves, if there were any, are forgotten.
    pub previous: Vec<AdoptedKey<ImportedPublicKey>>,
    /// Issuers that living tokens may name beside the current one.
    pub previous_issuers: Vec<RecordedIssuer>,
    /// Live keys that were left out.
    pub skipped: Vec<Skipped>,
}

impl Adopted {
    /// The key that signs, and those that verify, as the authority takes them.
    #[must_use]
    pub fn into_imports(self) -> (Import, Vec<Import>) {
        let AdoptedKey { key_id, key, .. } = self.primary;
        let (public, handle) = key.into_parts();
        let primary = Import::signing(public.named(key_id), handle);
        let live = self.live.into_iter().map(|found| (found.key.into_parts().0, found.key_id));
        let previous = self.previous.into_iter();
        let previous = previous.map(|found| (found.key.verifying_key().clone(), found.key_id));
        let others = live.chain(previous);
        (primary, others.map(|(public, id)| Import::verifying(public.named(id))).collect())
    }
}
