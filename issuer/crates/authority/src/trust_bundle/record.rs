//! What is stored of the bundle: its number, and what it stood for.

use moneyer_identity::spiffe::ContentDigest;
use serde::{Deserialize, Serialize};

use crate::store::{Collection, Receipt, Record};

/// The sequence number of a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SequenceRecord {
    /// `spiffe_sequence`.
    pub(super) sequence: u64,
    /// The content it stands for.
    pub(super) content: ContentDigest,
    /// In which life of the store it was given.
    #[serde(default)]
    pub(super) life: StoreLife,
}

/// A life of the store: it begins when the store is made, restored, or goes on after an accepted loss.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoreLife(Vec<u8>);

impl StoreLife {
    pub(super) fn of(receipt: &Receipt) -> Self {
        Self(receipt.incarnation.clone())
    }
}

impl Record for SequenceRecord {
    const COLLECTION: Collection = Collection::BundleSequences;

    fn id(&self) -> String {
        "own".to_owned()
    }
}
