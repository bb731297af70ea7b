//! Locks by name, a fixed number of them.
//!
//! Changes of one record happen one after the other; changes of different records happen together, so
//! that the store can make them durable in one group. Two names may share a stripe, which costs time
//! and nothing else.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Many more than changes in flight, and small: 1,024 locks are about 64 KiB.
const STRIPES: usize = 1024;

/// A fixed set of locks, one of which guards any name.
#[derive(Debug)]
pub(super) struct Stripes {
    locks: Vec<Arc<RwLock<()>>>,
    hasher: RandomState,
}

impl Stripes {
    pub(super) fn new() -> Self {
        let locks = (0..STRIPES).map(|_| Arc::new(RwLock::new(()))).collect();
        Self { locks, hasher: RandomState::new() }
    }

    /// Held while a name is changed.
    pub(super) async fn write(
        &self,
        name: &(impl Hash + Sync),
    ) -> Option<OwnedRwLockWriteGuard<()>> {
        let lock = self.of(name)?;
        Some(lock.write_owned().await)
    }

    /// Held while something depends on a name's not changing.
    pub(super) async fn read(&self, name: &(impl Hash + Sync)) -> Option<OwnedRwLockReadGuard<()>> {
        let lock = self.of(name)?;
        Some(lock.read_owned().await)
    }

    fn of(&self, name: &impl Hash) -> Option<Arc<RwLock<()>>> {
        let hash = usize::try_from(self.hasher.hash_one(name) % STRIPES as u64).unwrap_or(0);
        self.locks.get(hash).cloned()
    }
}
