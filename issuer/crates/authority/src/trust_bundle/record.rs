//! What is stored of the bundle: its number, and what it stood for.

use moneyer_identity::spiffe::ContentDigest;
use serde::{Deserialize, Serialize};

use crate::store::{Collection, Record};

/// The sequence number of a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SequenceRecord {
    /// `spiffe_sequence`, from 1.
    pub(super) sequence: u64,
    /// The content it stands for.
    pub(super) content: ContentDigest,
}

impl Record for SequenceRecord {
    const COLLECTION: Collection = Collection::BundleSequences;

    fn id(&self) -> String {
        "own".to_owned()
    }
}
