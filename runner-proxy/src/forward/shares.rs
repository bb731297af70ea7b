//! So many of something for each sandbox, whatever the others have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use moneyer_identity::SandboxId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The shares of all sandboxes. Clones share everything.
#[derive(Clone)]
pub(super) struct Shares {
    each: usize,
    taken: Arc<Mutex<HashMap<SandboxId, Arc<Semaphore>>>>,
}

impl Shares {
    /// So many for each.
    pub(super) fn new(each: usize) -> Self {
        Self { each, taken: Arc::default() }
    }

    /// One, free again when it is dropped; `None` where all are taken.
    pub(super) fn take(&self, sandbox: &SandboxId) -> Option<OwnedSemaphorePermit> {
        self.of(sandbox).try_acquire_owned().ok()
    }

    /// One, as soon as one is free.
    pub(super) async fn wait(&self, sandbox: &SandboxId) -> Option<OwnedSemaphorePermit> {
        self.of(sandbox).acquire_owned().await.ok()
    }

    fn of(&self, sandbox: &SandboxId) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of which nothing is taken, and which nobody waits for, are made again when they are needed.
        taken.retain(|id, free| {
            id == sandbox || free.available_permits() < self.each || Arc::strong_count(free) > 1
        });
        let new = || Arc::new(Semaphore::new(self.each));
        Arc::clone(taken.entry(sandbox.clone()).or_insert_with(new))
    }
}
