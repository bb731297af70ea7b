//! What is attached: on disk and while the proxy runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use moneyer_identity::{SandboxId, TokenRequest};

use super::super::directory::SandboxDirectory;
use super::super::environment::Environment;
use super::super::roster::{ProfileChoice, Roster, RosterEntry};
use super::super::secret::SandboxSecret;
use super::present::Present;
use super::{AttachError, Workshop};
use crate::coordinator::{Occupant, PlacedSandbox};
use crate::token::Held;

/// The attached sandboxes.
pub(super) struct State {
    pub(super) roster: Roster,
    pub(super) present: BTreeMap<SandboxId, Present>,
    /// Taken off the roster, and perhaps not yet off the one on disk.
    leaving: BTreeSet<SandboxId>,
}

impl State {
    pub(super) fn new(roster: Roster, present: BTreeMap<SandboxId, Present>) -> Self {
        Self { roster, present, leaving: BTreeSet::new() }
    }

    /// Puts the roster on disk.
    pub(super) async fn write_roster(&mut self) -> Result<(), AttachError> {
        self.roster.write().await.map_err(AttachError::Roster)?;
        self.leaving.clear();
        Ok(())
    }

    /// Whether there is something of a sandbox that was not taken away completely.
    pub(super) fn is_left_over(&self, sandbox: &SandboxId) -> bool {
        !self.roster.entries.contains_key(sandbox) && self.is_here(sandbox)
    }

    fn is_here(&self, sandbox: &SandboxId) -> bool {
        self.present.contains_key(sandbox) || self.leaving.contains(sandbox)
    }

    /// Enters a sandbox into the roster, or changes its choice there, and puts that on disk. One that is
    /// on it keeps its secret.
    pub(super) async fn enter(
        &mut self,
        sandbox: &SandboxId,
        profiles: ProfileChoice,
        now: &Occupant,
    ) -> Result<RosterEntry, AttachError> {
        let before = self.roster.entries.get(sandbox).cloned();
        let secret = match &before {
            Some(entry) => entry.secret.clone(),
            None => SandboxSecret::random().map_err(AttachError::Secret)?,
        };
        let occupant = match &before {
            Some(before) => now.clone().or_known(&before.occupant),
            None => now.clone(),
        };
        let entry = RosterEntry { secret, profiles, occupant };
        let is_same = |before: &RosterEntry| {
            before.profiles == entry.profiles && before.occupant == entry.occupant
        };
        if before.as_ref().is_some_and(is_same) {
            return Ok(entry);
        }
        self.roster.entries.insert(sandbox.clone(), entry.clone());
        if let Err(error) = self.write_roster().await {
            self.roster.put_back(sandbox, before);
            return Err(error);
        }
        Ok(entry)
    }

    /// Enters into the roster who attached sandboxes are, as far as that was not known, and puts it on disk.
    /// Where that fails it is not known, and is entered the next time.
    pub(super) async fn learn<'a>(
        &mut self,
        placed: impl Iterator<Item = (&'a SandboxId, &'a PlacedSandbox)>,
    ) {
        let mut before = Vec::new();
        for (sandbox, placed) in placed {
            let Some(entry) = self.roster.entries.get_mut(sandbox) else { continue };
            let now = placed.occupant.clone().or_known(&entry.occupant);
            if !entry.is_replaced_by(&now) && entry.occupant != now {
                before.push((sandbox, std::mem::replace(&mut entry.occupant, now)));
            }
        }
        if before.is_empty() {
            return;
        }
        if let Err(error) = self.write_roster().await {
            tracing::error!(
                error.cause = crate::chain(&error),
                "who attached sandboxes are could not be kept on disk"
            );
            for (sandbox, occupant) in before {
                if let Some(entry) = self.roster.entries.get_mut(sandbox) {
                    entry.occupant = occupant;
                }
            }
        }
    }

    /// Takes everything away from a sandbox; whether there was anything. What fails stays known, so that
    /// another call tries it again.
    pub(super) async fn take_away(
        &mut self,
        workshop: &Workshop,
        sandbox: &SandboxId,
    ) -> Result<bool, AttachError> {
        // At once, whatever the disk does.
        workshop.credentials.remove(sandbox);
        workshop.source.retire(sandbox);
        workshop.forward.as_ref().inspect(|forward| forward.tokens.retire(sandbox));
        workshop.files.forget(sandbox);
        self.present.get(sandbox).inspect(|present| present.leave());
        if self.roster.entries.remove(sandbox).is_some() {
            self.leaving.insert(sandbox.clone());
        }
        if !self.is_here(sandbox) {
            return Ok(false);
        }
        let listed = self.leaving.contains(sandbox);
        let written = if listed { self.write_roster().await } else { Ok(()) };
        let removed = match self.present.get(sandbox) {
            Some(present) => present.unmake(),
            // It could not be made, or not brought back.
            None => SandboxDirectory::remove(&workshop.directory, sandbox),
        };
        if removed.is_ok() {
            self.present.remove(sandbox);
        }
        written?;
        removed.map_err(AttachError::Directory)?;
        tracing::info!(sandbox.id = %sandbox, "a sandbox is detached");
        Ok(true)
    }

    /// Takes everything away from a sandbox that left this runner.
    pub(super) async fn take_away_or_say(&mut self, workshop: &Workshop, sandbox: &SandboxId) {
        if let Err(error) = self.take_away(workshop, sandbox).await {
            tracing::error!(
                sandbox.id = %sandbox, error.cause = crate::chain(&error),
                "a sandbox that left this runner could not be detached completely"
            );
        }
    }

    pub(super) fn install(
        &mut self,
        workshop: &Workshop,
        sandbox: &SandboxId,
        entry: &RosterEntry,
        placed: &PlacedSandbox,
        held: &[(TokenRequest, Held)],
    ) -> Result<(PathBuf, Environment), AttachError> {
        if let Some(present) = self.present.get_mut(sandbox) {
            present.update(workshop, sandbox, entry, Some(placed), held)?;
        } else {
            let made = Present::make(workshop, sandbox, entry, Some(placed), held)?;
            self.present.insert(sandbox.clone(), made);
        }
        match self.present.get(sandbox) {
            Some(present) => Ok((present.directory().to_owned(), present.environment().clone())),
            None => Err(AttachError::NotPlaced(sandbox.clone())),
        }
    }

    /// Brings an attached sandbox in line with what the coordinator says of it.
    pub(super) fn refresh(
        &mut self,
        workshop: &Workshop,
        sandbox: &SandboxId,
        placed: &PlacedSandbox,
    ) {
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
