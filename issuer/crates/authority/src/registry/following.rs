//! What other coordinators change of apps and sandboxes.

use moneyer_identity::{AppName, RunnerId, SandboxId};

use crate::registry::app::App;
use crate::registry::directory::{Registry, Shared};
use crate::registry::sandbox::SandboxRecord;
use crate::shared_store::Changed;
use crate::store::{Collection, Generation, StoreError};

impl Registry {
    /// That a record can be read, if it is an app's or a sandbox's.
    pub(crate) fn read(change: &Changed) -> Result<(), StoreError> {
        match change.collection {
            Collection::Apps => change.decoded::<App>().map(drop),
            Collection::Sandboxes => change.decoded::<SandboxRecord>().map(drop),
            _ => Ok(()),
        }
    }

    /// Takes in apps that another coordinator has written or removed, each in its turn among the changes made here.
    /// Before the sandboxes: one whose app is not known is nobody's.
    pub(crate) async fn take_in_apps(&self, changed: &[Changed]) -> Result<(), StoreError> {
        let mut taken_in = Ok(());
        for change in changed {
            taken_in = taken_in.and(self.shared.take_in_app(change).await);
        }
        taken_in
    }

    /// The same of sandboxes.
    pub(crate) async fn take_in_sandboxes(&self, changed: &[Changed]) -> Result<(), StoreError> {
        let mut taken_in = Ok(());
        for change in changed {
            taken_in = taken_in.and(self.shared.take_in_sandbox(change).await);
        }
        taken_in
    }

    /// Everything that others have stored up to a generation is in force here.
    pub(crate) fn reach(&self, through: Generation) {
        self.shared.write().reached(through);
    }

    /// Ends the watches of a runner that another coordinator has removed.
    pub(crate) fn revoke(&self, runner: &RunnerId) {
        self.shared.write().revoke(runner);
    }
}

impl Shared {
    async fn take_in_app(&self, change: &Changed) -> Result<(), StoreError> {
        // An id that is no name is nobody's record: no coordinator of this version has written it.
        let Ok(name) = AppName::parse(&change.id) else { return Ok(()) };
        let _guard = self.apps.write(&name).await;
        let known = self.read().apps.get(&name).map(|entry| entry.revision);
        if self.ledger.supersedes(change) || known.is_some_and(|known| known >= change.revision) {
            return Ok(());
        }
        match change.decoded::<App>()? {
            Some(app) => drop(self.write().apply_app(app, change.revision)),
            None => self.write().apply_app_removal(&name, change.revision),
        }
        Ok(())
    }

    async fn take_in_sandbox(&self, change: &Changed) -> Result<(), StoreError> {
        let Ok(id) = SandboxId::parse(&change.id) else { return Ok(()) };
        let _guard = self.sandboxes.write(&id).await;
        let known = self.read().sandboxes.get(&id).map(|placed| placed.revision);
        if self.ledger.supersedes(change) || known.is_some_and(|known| known >= change.revision) {
            return Ok(());
        }
        match change.decoded::<SandboxRecord>()? {
            Some(record) => self.write().apply_sandbox(record.placed(change.revision)),
            None => self.write().apply_sandbox_removal(&id, change.revision),
        }
        Ok(())
    }
}
