//! What a store says that several coordinators share: what others have changed, how far each has followed, and
//! who may do what only one may do at a time.
//!
//! Every coordinator answers from its own memory. So a change is told to all of them, and nothing that is only safe
//! once everybody knows it is done before each has said so. A backend for one coordinator is no such store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::store::{Collection, Generation, Record, StoreError, Stored, decode};

/// A record that was written or removed.
#[derive(Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its collection.
    pub collection: Collection,
    /// Its id.
    pub id: String,
    /// The generation that wrote or removed it.
    pub revision: Generation,
    /// Its bytes as they are now, none where they are damaged; `None` where it was removed. Wiped when dropped: they may be a key.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Changed {
    /// The record as it is now, if it is there.
    pub(crate) fn decoded<R: Record>(&self) -> Result<Option<R>, StoreError> {
        let Some(value) = &self.value else { return Ok(None) };
        let (id, value) = (self.id.clone(), value.clone());
        decode(Stored { id, revision: self.revision, value }).map(|(record, _)| Some(record))
    }
}

/// Without the value, which may be a key.
impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed")
            .field("collection", &self.collection)
            .field("id", &self.id)
            .field("revision", &self.revision)
            .field("removed", &self.value.is_none())
            .finish_non_exhaustive()
    }
}

/// What became of the records since a generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Each record that changed, once and as it is now, in the order of its revision.
    pub changed: Vec<Changed>,
    /// The generation up to which that is all. A record that changed once more after it is told with that change.
    pub through: Generation,
    /// Whether there is more than was told at once: it is told by the next call.
    pub more: bool,
}

/// A coordinator that shares the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name: one per running process.
    pub name: String,
    /// Up to which generation it has taken in what others changed.
    pub through: Generation,
    /// How long ago it last said so, by the store's clock.
    pub silent_for: Duration,
}

/// The turn to do what one coordinator may do at a time. It ends when it is dropped, or when its holder's
/// connection to the store does.
pub trait Turn: Send + Sync + fmt::Debug {}

/// What a store offers that several coordinators share.
#[async_trait]
pub trait SharedStore: Send + Sync + fmt::Debug {
    /// What became of the records since a generation; of a long time no more than the backend tells at once, whole
    /// generations and one at least, so that who asks on comes to an end. Fails with [`StoreError::Forgotten`] where that is longer
    /// ago than the store remembers what was removed.
    async fn changes(&self, since: Generation) -> Result<Changes, StoreError>;

    /// Returns when the store may have come past `seen`: at once when it has and this is known, on word of it,
    /// and in any case after the backend's own time, for word can be lost.
    async fn news(&self, seen: Generation);

    /// Says that this coordinator has taken in everything up to `through`, and hears how all stand, itself among
    /// them. Those that left are not there.
    async fn report(&self, through: Generation) -> Result<Vec<Replica>, StoreError>;

    /// Says that this coordinator goes, so that nobody waits for it.
    async fn leave(&self) -> Result<(), StoreError>;

    /// The turn to keep the keys, if no other coordinator has it.
    async fn turn(&self) -> Result<Option<Box<dyn Turn>>, StoreError>;

    /// The turn to come up, when it is there: what a new cluster lacks is made by one.
    async fn turn_to_open(&self) -> Result<Box<dyn Turn>, StoreError>;
}
