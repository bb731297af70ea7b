//! A runner's view of its own sandboxes, kept up to date.

use std::sync::{Arc, Weak};

use moneyer_identity::{RunnerId, SandboxId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::registry::app::App;
use crate::registry::directory::Shared;
use crate::registry::sandbox::Placed;
use crate::store::Generation;

/// What happened to a runner's sandboxes.
#[derive(Debug, Clone)]
pub enum PlacementChange {
    /// The complete state: what is not in it is gone.
    All(Vec<(Arc<Placed>, Arc<App>)>, Generation),
    /// A sandbox was placed here, or what it may do changed.
    Placed(Arc<Placed>, Arc<App>, Generation),
    /// A sandbox left.
    Removed(SandboxId, Generation),
    /// The runner itself was removed.
    Revoked,
}

/// The runner that watched is no longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runner was removed")]
pub struct Revoked;

/// First everything, then each change, without a gap between the two.
#[derive(Debug)]
pub struct SandboxSubscription {
    pub(super) runner: RunnerId,
    pub(super) first: Option<PlacementChange>,
    pub(super) changes: broadcast::Receiver<PlacementChange>,
    pub(super) shared: Weak<Shared>,
}

impl SandboxSubscription {
    /// The next change. A watcher that fell behind gets everything anew.
    pub async fn next(&mut self) -> Result<PlacementChange, Revoked> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        match self.changes.recv().await {
            Ok(PlacementChange::Revoked) | Err(RecvError::Closed) => Err(Revoked),
            Ok(change) => Ok(change),
            Err(RecvError::Lagged(_)) => self.everything(),
        }
    }

    /// Returns when the runner is removed, for whoever watches for nothing else.
    pub async fn revoked(&mut self) {
        self.first = None;
        loop {
            match self.changes.recv().await {
                Ok(PlacementChange::Revoked) | Err(RecvError::Closed) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    }

    /// Everything anew, in place of the changes that were not told yet.
    pub fn everything(&mut self) -> Result<PlacementChange, Revoked> {
        let shared = self.shared.upgrade().ok_or(Revoked)?;
        // While this is held no change is told, so none falls between the two.
        let placements = shared.read();
        // The same channel, not a new one: a removal among what was missed has closed it.
        self.changes = self.changes.resubscribe();
        if self.changes.is_closed() {
            return Err(Revoked);
        }
        self.first = None;
        Ok(PlacementChange::All(placements.on_runner(&self.runner), placements.generation))
    }
}
