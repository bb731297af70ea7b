//! The registry itself: changes are recorded, go to the store, then into force, then are acknowledged.
//!
//! A change runs in a task of its own, so that a caller who hangs up between the store's word and the
//! change in memory cannot leave the two apart.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use moneyer_identity::{AppName, AppUid, RunnerId, SandboxId, SystemWorkloadName, UnixTime};

use crate::audit::{Actor, Event, Ledger};
use crate::enrollment::{AuthenticatedRunner, Member, MemberKind, Members, Places};
use crate::registry::app::{App, AppChange, MAXIMUM_AUDIENCES};
use crate::registry::error::RegistryError;
use crate::registry::permit::{Permit, SystemPermit, SystemWorkload};
use crate::registry::placement::Placements;
use crate::registry::sandbox::{Placed, PlacementNumber, Sandbox, SandboxRecord};
use crate::registry::stripes::Stripes;
use crate::registry::subscription::{PlacementChange, Revoked, SandboxSubscription};
use crate::store::{Change, Collection, Expected, Generation, StoreError, load_records};
use crate::unbroken::unbroken;

/// What the registry and its running changes share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ledger: Ledger,
    members: Arc<Members>,
    placements: RwLock<Placements>,
    pub(super) apps: Stripes,
    pub(super) sandboxes: Stripes,
}

impl Shared {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Placements> {
        // A panic while the lock was held cannot have left the maps half changed in a way that grants
        // anything: every apply_* inserts the grant last.
        self.placements.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Placements> {
        self.placements.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Apps, sandboxes and their placement.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) shared: Arc<Shared>,
    system_workloads: Arc<[SystemWorkload]>,
}

impl Registry {
    /// Loads every record.
    pub async fn open(
        ledger: Ledger,
        members: Arc<Members>,
        system_workloads: Vec<SystemWorkload>,
    ) -> Result<Self, RegistryError> {
        let store = ledger.store();
        let mut placements = Placements { generation: store.generation(), ..Default::default() };
        for (app, revision) in load_records::<App>(store).await.map_err(RegistryError::Store)? {
            placements.apply_app(app, revision);
        }
        let mut place = |stored: crate::store::Stored| {
            let record: SandboxRecord =
                serde_json::from_slice(&stored.value).map_err(|cause| StoreError::Damaged {
                    collection: Collection::Sandboxes,
                    id: stored.id,
                    cause: cause.into(),
                })?;
            placements.apply_sandbox(record.placed(stored.revision));
            Ok(())
        };
        store.load(Collection::Sandboxes, &mut place).await.map_err(RegistryError::Store)?;
        let shared = Shared {
            ledger,
            members,
            placements: RwLock::new(placements),
            apps: Stripes::new(),
            sandboxes: Stripes::new(),
        };
        Ok(Self { shared: Arc::new(shared), system_workloads: system_workloads.into() })
    }

    /// Makes an app, or changes what it may do.
    pub async fn put_app(
        &self,
        by: &impl Places,
        change: AppChange,
        now: UnixTime,
    ) -> Result<Arc<App>, RegistryError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(RegistryError::Interrupted, async move { shared.put_app(&who, change, now).await })
            .await
    }

    /// Removes an app that has no sandboxes. Removing what is not there succeeds.
    pub async fn remove_app(&self, by: &impl Places, name: AppName) -> Result<(), RegistryError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(RegistryError::Interrupted, async move { shared.remove_app(&who, name).await })
            .await
    }

    /// Places a sandbox on a runner, or moves it there.
    pub async fn put_sandbox(
        &self,
        by: &impl Places,
        sandbox: Sandbox,
    ) -> Result<Generation, RegistryError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(RegistryError::Interrupted, async move { shared.put_sandbox(&who, sandbox).await })
            .await
    }

    /// Removes a sandbox. Removing what is not there succeeds.
    pub async fn remove_sandbox(
        &self,
        by: &impl Places,
        id: SandboxId,
    ) -> Result<Generation, RegistryError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(RegistryError::Interrupted, async move { shared.remove_sandbox(&who, id).await })
            .await
    }

    /// Removes a runner or a controller: its certificates are refused and its watches end at once.
    pub async fn remove_member(
        &self,
        by: &impl Places,
        kind: MemberKind,
        name: String,
    ) -> Result<(), RegistryError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(RegistryError::Interrupted, async move {
            shared.remove_member(&who, kind, &name).await
        })
        .await
    }

    /// Every app in the order of their names, with the number of its sandboxes.
    #[must_use]
    pub fn list_apps(&self) -> Vec<(Arc<App>, usize)> {
        let placements = self.shared.read();
        placements.apps.values().map(|entry| (entry.app.clone(), entry.sandboxes)).collect()
    }

    /// Every runner and controller that has joined, with the number of sandboxes placed on it.
    #[must_use]
    pub fn list_members(&self) -> Vec<(Arc<Member>, usize)> {
        let members = self.shared.members.list();
        let placements = self.shared.read();
        let count = |member: &Member| match member.kind {
            MemberKind::Runner => placements
                .runners
                .get(member.name.as_str())
                .map_or(0, |places| places.sandboxes.len()),
            MemberKind::Controller => 0,
        };
        members.into_iter().map(|member| (member.clone(), count(&member))).collect()
    }

    /// Whether somebody follows the sandboxes of this runner at this moment: the runner, if it is there.
    #[must_use]
    pub fn is_followed(&self, runner: &str) -> bool {
        let placements = self.shared.read();
        let changes = placements.runners.get(runner).and_then(|places| places.changes.as_ref());
        changes.is_some_and(|changes| changes.receiver_count() > 0)
    }

    /// An app, with the number of its sandboxes.
    #[must_use]
    pub fn find_app(&self, name: &AppName) -> Option<(Arc<App>, usize)> {
        let placements = self.shared.read();
        placements.apps.get(name).map(|entry| (entry.app.clone(), entry.sandboxes))
    }

    /// A sandbox and its placement.
    pub fn find_sandbox(&self, id: &SandboxId) -> Result<Arc<Placed>, RegistryError> {
        let placements = self.shared.read();
        placements.sandboxes.get(id).cloned().ok_or(RegistryError::NoSuchSandbox)
    }

    /// How many sandboxes are placed.
    #[must_use]
    pub fn sandbox_count(&self) -> usize {
        self.shared.read().sandboxes.len()
    }

    /// Permits a runner to have a token for a sandbox that is placed on it now.
    pub fn permit(
        &self,
        runner: &AuthenticatedRunner,
        id: &SandboxId,
    ) -> Result<Permit, RegistryError> {
        let permit = self.find(id)?;
        // A runner that was removed after it was authenticated is no longer one.
        let is_member = self.shared.members.has_runner(runner.id());
        if permit.placed.sandbox.runner != *runner.id() || !is_member {
            return Err(RegistryError::NoSuchSandbox);
        }
        Ok(permit)
    }

    /// Permits a controller or operator to have a token for any sandbox.
    pub fn permit_any(&self, _by: &impl Places, id: &SandboxId) -> Result<Permit, RegistryError> {
        self.find(id)
    }

    /// Permits a runner to have a token for a system workload that runs on runners.
    pub fn permit_system(
        &self,
        runner: &AuthenticatedRunner,
        name: &SystemWorkloadName,
    ) -> Result<SystemPermit, RegistryError> {
        let allowed = |workload: &&SystemWorkload| workload.name == *name && workload.on_runners;
        let is_member = self.shared.members.has_runner(runner.id());
        let workload = self.system_workloads.iter().find(allowed).filter(|_| is_member);
        let workload = workload.ok_or(RegistryError::NoSuchSystemWorkload)?;
        Ok(SystemPermit { workload: workload.name.clone(), runner: Some(runner.id().clone()) })
    }

    /// Permits a controller or operator to have a token for any system workload.
    pub fn permit_system_any(
        &self,
        _by: &impl Places,
        name: &SystemWorkloadName,
    ) -> Result<SystemPermit, RegistryError> {
        let workload = self.system_workloads.iter().find(|workload| workload.name == *name);
        let workload = workload.ok_or(RegistryError::NoSuchSystemWorkload)?;
        Ok(SystemPermit { workload: workload.name.clone(), runner: None })
    }

    /// A runner's sandboxes: first all of them, then each change.
    pub fn watch(&self, runner: &AuthenticatedRunner) -> Result<SandboxSubscription, Revoked> {
        let runner = runner.id().clone();
        let mut placements = self.shared.write();
        // Looked up again under the lock: a removal either came before and is seen here, or comes
        // after and ends the channel.
        if !self.shared.members.has_runner(&runner) {
            return Err(Revoked);
        }
        let changes = placements.listen(&runner);
        let first = PlacementChange::All(placements.on_runner(&runner), placements.generation);
        let shared = Arc::downgrade(&self.shared);
        Ok(SandboxSubscription { runner, first: Some(first), changes, shared })
    }

    fn find(&self, id: &SandboxId) -> Result<Permit, RegistryError> {
        let placements = self.shared.read();
        let placed = placements.sandboxes.get(id).ok_or(RegistryError::NoSuchSandbox)?;
        let entry = placements.apps.get(&placed.sandbox.app);
        let entry = entry.filter(|entry| placed.is_of(&entry.app));
        let entry = entry.ok_or(RegistryError::NoSuchSandbox)?;
        Ok(Permit { placed: placed.clone(), app: entry.app.clone() })
    }
}

impl Shared {
    async fn put_app(
        &self,
        who: &Actor,
        change: AppChange,
        now: UnixTime,
    ) -> Result<Arc<App>, RegistryError> {
        if change.audiences.len() > MAXIMUM_AUDIENCES {
            return Err(RegistryError::TooManyAudiences(change.audiences.len()));
        }
        let _guard = self.apps.write(&change.name).await;
        let before = {
            let placements = self.read();
            placements.apps.get(&change.name).map(|entry| (entry.app.clone(), entry.revision))
        };
        let (app, expected) = if let Some((before, revision)) = before {
            let app = change.of(&before);
            if app == *before {
                return Ok(before);
            }
            (app, Expected::Revision(revision))
        } else {
            let random = |error: getrandom::Error| RegistryError::Random(error.into());
            let uid = AppUid::random().map_err(random)?;
            (change.first(uid, now), Expected::Absent)
        };
        let what = Event::AppPut {
            app: app.name.clone(),
            app_uid: app.uid.clone(),
            audiences: app.audiences.clone(),
            accounts: app.accounts.clone(),
            spiffe_ending: app.spiffe_ending.clone(),
        };
        let generation = self.commit(who, what, Change::put(&app, expected)).await?;
        Ok(self.write().apply_app(app, generation))
    }

    async fn remove_app(&self, who: &Actor, name: AppName) -> Result<(), RegistryError> {
        let _guard = self.apps.write(&name).await;
        let revision = {
            let placements = self.read();
            match placements.apps.get(&name) {
                None => return Ok(()),
                Some(entry) if entry.sandboxes > 0 => {
                    return Err(RegistryError::AppInUse { app: name, sandboxes: entry.sandboxes });
                }
                Some(entry) => entry.revision,
            }
        };
        let change = Change::remove(Collection::Apps, name.as_str(), revision);
        let what = Event::AppRemoved { app: name.clone() };
        let generation = self.commit(who, what, Ok(change)).await?;
        self.write().apply_app_removal(&name, generation);
        Ok(())
    }

    async fn put_sandbox(
        &self,
        who: &Actor,
        sandbox: Sandbox,
    ) -> Result<Generation, RegistryError> {
        // The app's lock first, then the sandbox's: remove_app takes only the former.
        let _app = self.apps.read(&sandbox.app).await;
        let _sandbox = self.sandboxes.write(&sandbox.id).await;
        let (expected, placement, app_uid) = {
            let placements = self.read();
            let Some(entry) = placements.apps.get(&sandbox.app) else {
                return Err(RegistryError::NoSuchApp(sandbox.app));
            };
            let app_uid = entry.app.uid.clone();
            if !self.members.has_runner(&sandbox.runner) {
                return Err(RegistryError::NoSuchRunner(sandbox.runner));
            }
            match placements.sandboxes.get(&sandbox.id) {
                Some(before)
                    if same_placement(&before.sandbox, &sandbox) && before.is_of(&entry.app) =>
                {
                    return Ok(before.revision);
                }
                Some(before) => {
                    let placement = before.placement_as(&sandbox);
                    let placement = placement.filter(|_| before.is_of(&entry.app));
                    (Expected::Revision(before.revision), placement, app_uid)
                }
                None => (Expected::Absent, None, app_uid),
            }
        };
        let random = |error: getrandom::Error| RegistryError::Random(error.into());
        let placement = placement.map_or_else(PlacementNumber::random, Ok).map_err(random)?;
        let what = Event::SandboxPut {
            sandbox: sandbox.id.clone(),
            app: sandbox.app.clone(),
            runner: sandbox.runner.clone(),
            role: sandbox.role.clone(),
        };
        let record = SandboxRecord::new(&sandbox, placement, app_uid);
        let revision = self.commit(who, what, Change::put(&record, expected)).await?;
        self.write().apply_sandbox(record.placed(revision));
        Ok(revision)
    }

    async fn remove_sandbox(
        &self,
        who: &Actor,
        id: SandboxId,
    ) -> Result<Generation, RegistryError> {
        let _guard = self.sandboxes.write(&id).await;
        let before = self.read().sandboxes.get(&id).map(|placed| placed.revision);
        let Some(revision) = before else { return Ok(self.ledger.store().generation()) };
        let change = Change::remove(Collection::Sandboxes, id.as_str(), revision);
        let what = Event::SandboxRemoved { sandbox: id.clone() };
        let generation = self.commit(who, what, Ok(change)).await?;
        self.write().apply_sandbox_removal(&id, generation);
        Ok(generation)
    }

    async fn remove_member(
        &self,
        who: &Actor,
        kind: MemberKind,
        name: &str,
    ) -> Result<(), RegistryError> {
        self.members.remove(&self.ledger, who, kind, name).await?;
        if let (MemberKind::Runner, Ok(runner)) = (kind, RunnerId::parse(name)) {
            self.write().revoke(&runner);
        }
        Ok(())
    }

    async fn commit(
        &self,
        who: &Actor,
        what: Event,
        change: Result<Change, StoreError>,
    ) -> Result<Generation, RegistryError> {
        let change = change.map_err(RegistryError::Store)?;
        Ok(self.ledger.commit(who, vec![what], vec![change]).await?)
    }
}

fn same_placement(a: &Sandbox, b: &Sandbox) -> bool {
    a.app == b.app && a.runner == b.runner && a.role == b.role
}
