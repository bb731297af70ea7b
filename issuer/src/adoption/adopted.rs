//! What a cluster of the original system leaves.

use std::path::PathBuf;

use moneyer_signer::import::{ImportedKey, ImportedPublicKey};

use crate::adoption::error::AdoptionError;
use crate::adoption::recorded::RecordedIssuer;

/// A key and the file it came from, for messages.
#[derive(Debug)]
pub struct AdoptedKey<K> {
    /// The file.
    pub file: PathBuf,
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
