//! What sandboxes may do at this moment, as far as it is known here.
//!
//! The coordinator says it, and what it said last goes on while it is away: for so long and no longer, since nobody
//! could take anything from a sandbox whose host hears nothing.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::SandboxId;
use moneyer_identity::grant::SandboxGrants;

use crate::coordinator::{Heard, KnownPlacement, Occupant};

/// Tells what sandboxes may do.
pub(crate) trait Permissions: Send + Sync {
    /// What the sandbox with this id may do, and who that is.
    fn of(&self, sandbox: &SandboxId) -> Option<(Occupant, Arc<SandboxGrants>)>;

    /// Whether that is known of late.
    fn are_recent(&self) -> bool;
}

/// What the coordinator said last.
pub(crate) struct Said {
    /// What it was.
    pub(crate) placement: Arc<KnownPlacement>,
    /// When it was.
    pub(crate) heard: Arc<Heard>,
    /// How long it stands.
    pub(crate) max_age: Duration,
}

impl Permissions for Said {
    fn of(&self, sandbox: &SandboxId) -> Option<(Occupant, Arc<SandboxGrants>)> {
        let placement = self.placement.now();
        let placed = placement.sandboxes.get(sandbox)?;
        Some((placed.occupant.clone(), Arc::clone(&placed.grants)))
    }

    fn are_recent(&self) -> bool {
        self.heard.not_for().is_some_and(|age| age <= self.max_age)
    }
}
