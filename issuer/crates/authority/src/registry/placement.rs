//! The placements of one moment, in memory.
//!
//! Maps by name in order (for paging), and for each runner its sandboxes and the channel its watchers
//! listen to. All changes go through `apply_*`, which keep the maps in step and tell the watchers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use moneyer_identity::{AppName, RunnerId, SandboxId};
use tokio::sync::broadcast;

use crate::registry::app::App;
use crate::registry::sandbox::Placed;
use crate::registry::subscription::PlacementChange;
use crate::store::Generation;

/// Changes a watcher may fall behind before it is sent everything anew.
const CHANNEL_CAPACITY: usize = 256;

/// An app in force.
#[derive(Debug)]
pub(super) struct AppEntry {
    pub(super) app: Arc<App>,
    pub(super) revision: Generation,
    pub(super) sandboxes: usize,
}

/// What is placed on one runner.
#[derive(Debug, Default)]
pub(super) struct RunnerPlaces {
    pub(super) sandboxes: BTreeSet<SandboxId>,
    pub(super) changes: Option<broadcast::Sender<PlacementChange>>,
}

impl RunnerPlaces {
    fn tell(&self, change: PlacementChange) {
        if let Some(changes) = &self.changes {
            // No receiver is left when the last watcher has gone: nobody to tell.
            changes.send(change).ok();
        }
    }
}

/// Everything that is placed.
#[derive(Debug, Default)]
pub(super) struct Placements {
    pub(super) apps: BTreeMap<AppName, AppEntry>,
    pub(super) sandboxes: BTreeMap<SandboxId, Arc<Placed>>,
    pub(super) runners: HashMap<RunnerId, RunnerPlaces>,
    pub(super) generation: Generation,
}

impl Placements {
    pub(super) fn apply_app(&mut self, app: App, revision: Generation) -> Arc<App> {
        let app = Arc::new(app);
        let before = self.apps.get(&app.name).filter(|entry| entry.app.uid == app.uid);
        let sandboxes = before.map(|entry| entry.sandboxes);
        let sandboxes = sandboxes.unwrap_or_else(|| self.find_own(&app));
        let entry = AppEntry { app: app.clone(), revision, sandboxes };
        self.apps.insert(app.name.clone(), entry);
        let reached = self.reached(revision);
        let of_app = |id: &SandboxId| {
            let of_app =
                |placed: &&Arc<Placed>| placed.sandbox.app == app.name && placed.is_of(&app);
            self.sandboxes.get(id).filter(of_app).cloned()
        };
        for places in self.runners.values().filter(|places| places.changes.is_some()) {
            for placed in places.sandboxes.iter().filter_map(of_app) {
                places.tell(PlacementChange::Placed(placed, app.clone(), reached));
            }
        }
        app
    }

    pub(super) fn apply_app_removal(&mut self, name: &AppName, generation: Generation) {
        self.apps.remove(name);
        self.reached(generation);
    }

    /// Places a sandbox and takes it off the runner it was on before.
    pub(super) fn apply_sandbox(&mut self, placed: Placed) {
        let reached = self.reached(placed.revision);
        let placed = Arc::new(placed);
        let (id, runner) = (placed.sandbox.id.clone(), placed.sandbox.runner.clone());
        if let Some(before) = self.sandboxes.insert(id.clone(), placed.clone()) {
            self.count_off(&before);
            if before.sandbox.runner != runner {
                self.leave(&before.sandbox.runner, &id, reached);
            }
        }
        let entry = self.apps.get_mut(&placed.sandbox.app);
        let Some(entry) = entry.filter(|entry| placed.is_of(&entry.app)) else { return };
        entry.sandboxes += 1;
        let app = entry.app.clone();
        let on_runner = self.runners.entry(runner).or_default();
        on_runner.sandboxes.insert(id);
        on_runner.tell(PlacementChange::Placed(placed, app, reached));
    }

    pub(super) fn apply_sandbox_removal(&mut self, id: &SandboxId, generation: Generation) {
        let reached = self.reached(generation);
        if let Some(before) = self.sandboxes.remove(id) {
            self.count_off(&before);
            self.leave(&before.sandbox.runner, id, reached);
        }
    }

    /// The sandboxes of an app that is new here are its runners', and so many: one that has a name anew has none of before.
    fn find_own(&mut self, app: &App) -> usize {
        let of_app = |placed: &&Arc<Placed>| placed.sandbox.app == app.name && placed.is_of(app);
        let own: Vec<_> = self.sandboxes.values().filter(of_app).cloned().collect();
        for placed in &own {
            let (id, runner) = (placed.sandbox.id.clone(), placed.sandbox.runner.clone());
            self.runners.entry(runner).or_default().sandboxes.insert(id);
        }
        own.len()
    }

    fn count_off(&mut self, placed: &Placed) {
        let entry = self.apps.get_mut(&placed.sandbox.app);
        if let Some(entry) = entry.filter(|entry| placed.is_of(&entry.app)) {
            entry.sandboxes = entry.sandboxes.saturating_sub(1);
        }
    }

    /// Ends every watch of a runner that is no longer one.
    pub(super) fn revoke(&mut self, runner: &RunnerId) {
        if let Some(places) = self.runners.get_mut(runner) {
            places.tell(PlacementChange::Revoked);
            places.changes = None;
        }
    }

    /// A channel that tells of this runner's changes from now on.
    pub(super) fn listen(&mut self, runner: &RunnerId) -> broadcast::Receiver<PlacementChange> {
        let places = self.runners.entry(runner.clone()).or_default();
        let channel = || broadcast::Sender::new(CHANNEL_CAPACITY);
        places.changes.get_or_insert_with(channel).subscribe()
    }

    /// This runner's sandboxes with their apps.
    pub(super) fn on_runner(&self, runner: &RunnerId) -> Vec<(Arc<Placed>, Arc<App>)> {
        let Some(on_runner) = self.runners.get(runner) else { return Vec::new() };
        let find = |id| {
            let placed = self.sandboxes.get(id)?;
            let entry = self.apps.get(&placed.sandbox.app)?;
            placed.is_of(&entry.app).then(|| (placed.clone(), entry.app.clone()))
        };
        on_runner.sandboxes.iter().filter_map(find).collect()
    }

    fn leave(&mut self, runner: &RunnerId, id: &SandboxId, generation: Generation) {
        if let Some(places) = self.runners.get_mut(runner) {
            places.sandboxes.remove(id);
            places.tell(PlacementChange::Removed(id.clone(), generation));
        }
    }

    /// The generation these placements have come to. Changes of different sandboxes that were stored
    /// together may be applied in either order; a watcher is never told a smaller number than before,
    /// since to it that is a store from a backup.
    pub(super) fn reached(&mut self, generation: Generation) -> Generation {
        self.generation = self.generation.max(generation);
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::{AppUid, UnixTime};

    use super::*;
    use crate::registry::sandbox::Sandbox;

    fn placed(id: &str, revision: u64) -> Placed {
        let sandbox = Sandbox {
            id: SandboxId::parse(id).unwrap(),
            app: AppName::parse("web").unwrap(),
            runner: RunnerId::parse("runner-1").unwrap(),
            role: None,
            placed_at: UnixTime(0),
        };
        Placed { sandbox, revision: Generation(revision), placement: None, app_uid: None }
    }

    #[test]
    fn a_watcher_is_never_told_a_smaller_generation_than_before() {
        let mut placements = Placements::default();
        let app = App {
            name: AppName::parse("web").unwrap(),
            uid: AppUid::random().unwrap(),
            audiences: Vec::new(),
            accounts: moneyer_identity::CloudAccounts::default(),
            spiffe_ending: None,
            created_at: UnixTime(0),
        };
        placements.apply_app(app, Generation(4));
        let mut changes = placements.listen(&RunnerId::parse("runner-1").unwrap());
        placements.apply_sandbox(placed("web-6", 6));
        placements.apply_sandbox(placed("web-5", 5));
        placements.apply_sandbox_removal(&SandboxId::parse("web-6").unwrap(), Generation(7));
        let mut told = Vec::new();
        while let Ok(change) = changes.try_recv() {
            match change {
                PlacementChange::Placed(_, _, generation)
                | PlacementChange::Removed(_, generation) => told.push(generation.0),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, [6, 6, 7]);
    }
}
