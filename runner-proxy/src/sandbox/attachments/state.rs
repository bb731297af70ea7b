//! What is attached: on disk and while the proxy runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use moneyer_identity::{SandboxId, TokenRequest};

use super::super::environment::Environment;
use super::super::roster::{Roster, RosterEntry};
use super::present::Present;
use super::{AttachError, Workshop};
use crate::coordinator::PlacedSandbox;
use crate::token::Held;

/// The attached sandboxes.
pub(super) struct State {
    pub(super) roster: Roster,
    pub(super) present: BTreeMap<SandboxId, Present>,
}

impl State {
    pub(super) fn install(
        &mut self,
        workshop: &Workshop,
        sandbox: &SandboxId,
        entry: &RosterEntry,
        placed: Option<&PlacedSandbox>,
        held: &[(TokenRequest, Held)],
    ) -> Result<(PathBuf, Environment), AttachError> {
        if let Some(present) = self.present.get_mut(sandbox) {
            present.update(workshop, sandbox, entry, placed, held)?;
        } else {
            let made = Present::make(workshop, sandbox, entry, placed, held)?;
            self.present.insert(sandbox.clone(), made);
        }
        match self.present.get(sandbox) {
            Some(present) => Ok((present.directory().to_owned(), present.environment().clone())),
            None => Err(AttachError::NotPlaced(sandbox.clone())),
        }
    }

    /// Brings an attached sandbox in line with what the coordinator says of it.
    pub(super) fn refresh(&mut self, workshop: &Workshop, sandbox: &SandboxId, placed: &PlacedSandbox) {
        let Some(entry) = self.roster.entries.get(sandbox).cloned() else { return };
        let Some(present) = self.present.get_mut(sandbox) else { return };
        if let Err(error) = present.update(workshop, sandbox, &entry, Some(placed), &[]) {
            tracing::error!(
                sandbox.id = %sandbox, error.cause = crate::chain(&error),
                "a sandbox's files could not be brought in line with its profiles"
            );
        }
    }
}
