//! Sandboxes: instances of apps, each placed on exactly one runner.
//!
//! An id may be given again, and come back to the runner it was on before. Each stay of it there has a number of
//! its own, so that a runner which heard nothing meanwhile can tell that it has to do with another sandbox.

use std::num::NonZeroU64;

use moneyer_identity::{AppName, AppUid, RoleName, RunnerId, SandboxId, UnixTime};
use serde::{Deserialize, Serialize};

use crate::registry::app::App;
use crate::store::{Collection, Generation, Record};

/// What a controller or operator says of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Its id, unique in the cluster.
    pub id: SandboxId,
    /// The app it is an instance of.
    pub app: AppName,
    /// The runner it is placed on.
    pub runner: RunnerId,
    /// The `role` claim of its tokens.
    pub role: Option<RoleName>,
    /// When it was placed there.
    pub placed_at: UnixTime,
}

/// Which stay of an id on a runner: another one each time it is placed there, the same while what it may do
/// there changes. Random, so that no two stores give the same; never 0, which is how a message leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementNumber(NonZeroU64);

impl PlacementNumber {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self(NonZeroU64::new(getrandom::u64()?).unwrap_or(NonZeroU64::MIN)))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// A sandbox's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SandboxRecord {
    id: SandboxId,
    app: AppName,
    runner: RunnerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<RoleName>,
    placed_at: UnixTime,
    /// Missing where it was written before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    placement: Option<PlacementNumber>,
    /// Which app of that name. Missing where it was written before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_uid: Option<AppUid>,
}

impl Record for SandboxRecord {
    const COLLECTION: Collection = Collection::Sandboxes;

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }
}

impl SandboxRecord {
    pub(super) fn new(sandbox: &Sandbox, placement: PlacementNumber, app_uid: AppUid) -> Self {
        let Sandbox { id, app, runner, role, placed_at } = sandbox.clone();
        let (placement, app_uid) = (Some(placement), Some(app_uid));
        Self { id, app, runner, role, placed_at, placement, app_uid }
    }

    /// In force from `revision` on.
    pub(super) fn placed(self, revision: Generation) -> Placed {
        let Self { id, app, runner, role, placed_at, placement, app_uid } = self;
        let sandbox = Sandbox { id, app, runner, role, placed_at };
        Placed { sandbox, revision, placement, app_uid }
    }
}

/// A sandbox in force, and the generation that placed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its record.
    pub sandbox: Sandbox,
    /// The generation from which it is in force.
    pub revision: Generation,
    /// Which stay on its runner.
    pub placement: Option<PlacementNumber>,
    /// Which app of that name it is an instance of: one that is made anew under the name is another.
    pub(super) app_uid: Option<AppUid>,
}

impl Placed {
    /// Whether it is an instance of this app, and not of one that had the name before.
    pub(super) fn is_of(&self, app: &App) -> bool {
        self.app_uid.as_ref().is_none_or(|uid| *uid == app.uid)
    }

    /// The number of its stay, if it becomes `next`.
    pub(super) fn placement_as(&self, next: &Sandbox) -> Option<PlacementNumber> {
        let stays = self.sandbox.app == next.app && self.sandbox.runner == next.runner;
        self.placement.filter(|_| stays)
    }
}
