//! What sandboxes may do at this moment, as far as it is known here.

use std::sync::Arc;

use moneyer_identity::SandboxId;
use moneyer_identity::grant::SandboxGrants;

use crate::coordinator::{KnownPlacement, Occupant};

/// Tells what sandboxes may do.
pub(crate) trait Permissions: Send + Sync {
    /// What the sandbox with this id may do, and who that is.
    fn of(&self, sandbox: &SandboxId) -> Option<(Occupant, Arc<SandboxGrants>)>;
}

impl Permissions for KnownPlacement {
    fn of(&self, sandbox: &SandboxId) -> Option<(Occupant, Arc<SandboxGrants>)> {
        let placement = self.now();
        let placed = placement.sandboxes.get(sandbox)?;
        Some((placed.occupant.clone(), Arc::clone(&placed.grants)))
    }
}
