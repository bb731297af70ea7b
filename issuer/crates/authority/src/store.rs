//! The store port: what the authority asks of whatever keeps its records.
//!
//! Records live in collections, under ids. A write is a set of changes that happens whole or not at
//! all, states the revision of every record it replaces (compare and set), and is acknowledged only
//! when it survives power loss. Each acknowledged write has its own [`Generation`], greater than every
//! one before; a record's revision is the generation that wrote it.
//!
//! The store is read at start and written on change. It is never on the path of a mint: the authority
//! keeps what it needs in memory. A backend knows nothing of what the bytes mean, except that records
//! of a [secret collection](Collection::is_secret) hold keys.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_identity::ErrorClass;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::shared_store::SharedStore;

/// Longest record in bytes, id excluded. Larger values are outside what the crash tests of the
/// embedded store cover.
pub const MAXIMUM_RECORD_BYTES: usize = 64 * 1024 - 1;

/// Counts acknowledged writes, from 1. Zero is the empty store.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Signing keys.
    Keys,
    /// What is true of all keys of a kind together.
    KeyRings,
    /// The issuer of the moment and the previous ones.
    Issuers,
    /// The cluster's own X.509 authorities.
    Authorities,
    /// Apps.
    Apps,
    /// Sandboxes and where they are placed.
    Sandboxes,
    /// Runners and sandbox controllers that have joined.
    Members,
    /// Join tokens not yet spent.
    JoinTokens,
    /// Audience profiles that operators have put.
    Audiences,
    /// The public listener's certificate, and what it takes to have the next one.
    PublicCertificates,
    /// The number of the cluster's own trust bundle.
    BundleSequences,
    /// The authorities of X.509-SVIDs.
    X509Authorities,
    /// Federations with other trust domains.
    Federations,
    /// The bundles of those trust domains, in pieces.
    FederatedBundles,
    /// What clients may ask for in token exchange.
    Mappings,
    /// The claims that scopes stand for.
    Scopes,
    /// Proofs that were exchanged and are good for one exchange alone.
    SpentProofs,
    /// Policies, by which workloads that log in are let in.
    Policies,
    /// Provider profiles.
    ProviderProfiles,
    /// Providers, with what they hold of users.
    Providers,
}

impl Collection {
    /// Every collection.
    pub const ALL: [Self; 20] = [
        Self::Keys,
        Self::KeyRings,
        Self::Issuers,
        Self::Authorities,
        Self::Apps,
        Self::Sandboxes,
        Self::Members,
        Self::JoinTokens,
        Self::Audiences,
        Self::PublicCertificates,
        Self::BundleSequences,
        Self::X509Authorities,
        Self::Federations,
        Self::FederatedBundles,
        Self::Policies,
        Self::Mappings,
        Self::Scopes,
        Self::SpentProofs,
        Self::ProviderProfiles,
        Self::Providers,
    ];

    /// The stable name under which a backend keeps it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::KeyRings => "key_rings",
            Self::Issuers => "issuers",
            Self::Authorities => "authorities",
            Self::Apps => "apps",
            Self::Sandboxes => "sandboxes",
            Self::Members => "members",
            Self::JoinTokens => "join_tokens",
            Self::Audiences => "audiences",
            Self::PublicCertificates => "public_certificates",
            Self::BundleSequences => "bundle_sequences",
            Self::X509Authorities => "x509_authorities",
            Self::Federations => "federations",
            Self::FederatedBundles => "federated_bundles",
            Self::Policies => "policies",
            Self::Mappings => "mappings",
            Self::Scopes => "scopes",
            Self::SpentProofs => "spent_proofs",
            Self::ProviderProfiles => "provider_profiles",
            Self::Providers => "providers",
        }
    }

    /// Whether its records hold private keys, or secrets of users.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Keys
                | Self::Authorities
                | Self::PublicCertificates
                | Self::X509Authorities
                | Self::Providers
        )
    }

    /// Whether a backend keeps a copy of everything after a change of its records: few changes, and
    /// what is lost with them is lost for good.
    #[must_use]
    pub fn is_exported(self) -> bool {
        matches!(
            self,
            Self::Keys
                | Self::KeyRings
                | Self::Authorities
                | Self::Issuers
                | Self::BundleSequences
                | Self::X509Authorities
                | Self::Policies
                | Self::ProviderProfiles
                | Self::Providers
        )
    }
}

/// What must be true of a record for a change to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is no such record.
    Absent,
    /// The record has this revision.
    Revision(Generation),
}

/// One change of one record.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Which collection.
    pub collection: Collection,
    /// The record's id in it: 1 to 255 bytes.
    pub id: String,
    /// What is replaced.
    pub expected: Expected,
    /// The new bytes, or `None` to remove the record. Wiped when dropped: they may be a key.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Change {
    /// Writes a record in place of what is expected there.
    pub fn put<R: Record>(record: &R, expected: Expected) -> Result<Self, StoreError> {
        let value = encode(record).map_err(|error| StoreError::Encode(error.into()))?;
        Ok(Self { collection: R::COLLECTION, id: record.id(), expected, value: Some(value) })
    }

    /// Removes the record of this revision.
    #[must_use]
    pub fn remove(collection: Collection, id: &str, revision: Generation) -> Self {
        let expected = Expected::Revision(revision);
        Self { collection, id: id.to_owned(), expected, value: None }
    }
}

/// Without the value, which may be a key.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("collection", &self.collection)
            .field("id", &self.id)
            .field("expected", &self.expected)
            .field("removes", &self.value.is_none())
            .finish_non_exhaustive()
    }
}

/// A record as it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// The generation that wrote it.
    pub revision: Generation,
    /// Its bytes. Wiped when dropped: they may be a key.
    pub value: Zeroizing<Vec<u8>>,
}

/// Without the value, which may be a key.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("id", &self.id)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// A value that is kept as a record.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where it is kept.
    const COLLECTION: Collection;

    /// Its id there.
    fn id(&self) -> String;
}

/// The cause of a backend's failure.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A record is not as the change expected. Nothing was changed.
    #[error("the {} record {id} changed meanwhile", collection.as_str())]
    Conflict {
        /// Its collection.
        collection: Collection,
        /// Its id.
        id: String,
    },
    /// The id or the value is too long. Nothing was changed.
    #[error("the {} record {id} is larger than a record may be", collection.as_str())]
    TooLarge {
        /// Its collection.
        collection: Collection,
        /// Its id.
        id: String,
    },
    /// The record cannot be written as bytes.
    #[error("a record cannot be encoded")]
    Encode(#[source] Cause),
    /// A stored record cannot be read back.
    #[error("the {} record {id} is damaged", collection.as_str())]
    Damaged {
        /// Its collection.
        collection: Collection,
        /// Its id.
        id: String,
        /// How it shows.
        #[source]
        cause: Cause,
    },
    /// The store is behind what it once acknowledged, as a witness outside can prove. Nothing is changed.
    #[error(
        "the store was put back to an older state: it has acknowledged generation {seen} and is at \
         {there}; restore the newest backup, or accept the loss (`moneyer serve --accept-loss {there}`)"
    )]
    RolledBack {
        /// What the witness has seen.
        seen: Generation,
        /// What is there.
        there: Generation,
    },
    /// This coordinator has heard nothing of a store that others share with it, for as long as they wait for it.
    #[error(
        "this coordinator has not followed the others for {} s, so it stands apart until it does: it reaches the \
         store no more",
        silent_for.as_secs()
    )]
    CutOff {
        /// For how long.
        silent_for: Duration,
    },
    /// It was asked what changed since a generation that is longer ago than it remembers what was removed.
    #[error(
        "the store no longer knows everything that changed since generation {since}; start this coordinator anew"
    )]
    Forgotten {
        /// Since when.
        since: Generation,
    },
    /// The backend cannot be reached or no longer writes. Whether the change happened is not known.
    #[error("the store is unavailable")]
    Unavailable(#[source] Cause),
}

impl StoreError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Conflict { .. } => ErrorClass::Conflict,
            Self::TooLarge { .. } => ErrorClass::Invalid,
            Self::Encode(_) | Self::Damaged { .. } => ErrorClass::Internal,
            Self::Unavailable(_)
            | Self::RolledBack { .. }
            | Self::Forgotten { .. }
            | Self::CutOff { .. } => ErrorClass::Unavailable,
        }
    }
}

/// Proof, for whoever keeps it outside, that a store had come to a generation. Only the store can make
/// one, so a witness can tell of a rollback and cannot invent one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Which life of the store. Empty: of a store that gives no receipts.
    pub incarnation: Vec<u8>,
    /// What it had come to.
    pub generation: Generation,
    /// The store's own mark.
    pub tag: Vec<u8>,
}

/// What a receipt says of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Testimony {
    /// The store has been there.
    Known,
    /// The store is behind what it once acknowledged: it was rolled back.
    RolledBack(Generation),
    /// Of another life of the store, which binds this one not.
    OtherLife,
    /// Not made by this store.
    Forged,
}

/// Receives records one by one while a collection is read.
pub type Receive<'a> = &'a mut (dyn FnMut(Stored) -> Result<(), StoreError> + Send);

/// Keeps records.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Hands every record of a collection to `receive`, in the order of their ids, and stops at its
    /// first error.
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError>;

    /// Makes all changes or none. Returns when they survive power loss.
    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError>;

    /// The generation of the last acknowledged write; of a store that is shared, the latest one known here.
    fn generation(&self) -> Generation;

    /// Whether a write could be acknowledged now.
    fn health(&self) -> Result<(), StoreError>;

    /// What it offers if several coordinators share it.
    fn shared(&self) -> Option<&dyn SharedStore> {
        None
    }

    /// Proof of the generation of the last acknowledged write. Empty where a store gives none.
    fn receipt(&self) -> Receipt {
        Receipt::default()
    }

    /// What a receipt that somebody kept says of this store.
    fn hear(&self, receipt: &Receipt) -> Testimony {
        if receipt.incarnation.is_empty() { Testimony::OtherLife } else { Testimony::Forged }
    }
}

/// A record's bytes. One that holds a key is measured first: a vector that grows leaves copies behind.
fn encode<R: Record>(record: &R) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    if R::COLLECTION.is_secret() {
        let mut length = Length(0);
        serde_json::to_writer(&mut length, record)?;
        bytes.reserve_exact(length.0);
    }
    serde_json::to_writer(&mut *bytes, record)?;
    Ok(bytes)
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads one record of a kind, if it is there.
pub async fn load_record<R: Record>(
    store: &dyn Store,
    id: &str,
) -> Result<Option<(R, Generation)>, StoreError> {
    let mut found = None;
    let mut receive = |stored: Stored| {
        if stored.id == id {
            found = Some(decode(stored)?);
        }
        Ok(())
    };
    store.load(R::COLLECTION, &mut receive).await?;
    Ok(found)
}

/// Reads every record of a kind.
pub async fn load_records<R: Record>(
    store: &dyn Store,
) -> Result<Vec<(R, Generation)>, StoreError> {
    let mut records = Vec::new();
    let mut receive = |stored: Stored| {
        records.push(decode(stored)?);
        Ok(())
    };
    store.load(R::COLLECTION, &mut receive).await?;
    Ok(records)
}

/// Reads a record's bytes.
pub(crate) fn decode<R: Record>(stored: Stored) -> Result<(R, Generation), StoreError> {
    match serde_json::from_slice(&stored.value) {
        Ok(record) => Ok((record, stored.revision)),
        Err(error) => Err(StoreError::Damaged {
            collection: R::COLLECTION,
            id: stored.id,
            cause: error.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, serde::Deserialize)]
    struct Held(String);

    impl Record for Held {
        const COLLECTION: Collection = Collection::Keys;

        fn id(&self) -> String {
            "held".to_owned()
        }
    }

    #[test]
    fn the_bytes_of_a_key_never_move_while_they_are_written() {
        for length in [0, 1, 127, 1000, 5000] {
            let change = Change::put(&Held("k".repeat(length)), Expected::Absent).unwrap();
            let value = change.value.unwrap();
            assert_eq!((value.len(), value.capacity()), (length + 2, length + 2));
        }
    }
}
