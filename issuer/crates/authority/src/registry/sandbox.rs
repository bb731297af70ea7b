//! Sandboxes: instances of apps, each placed on exactly one runner.
//!
//! An id may be given again, and come back to the runner it was on before. Each stay of it there has a number of
//! its own, so that a runner which heard nothing meanwhile can tell that it has to do with another sandbox.

use std::num::NonZeroU64;

use moneyer_identity::{AppName, RoleName, RunnerId, SandboxId, UnixTime};
use serde::{Deserialize, Serialize};

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
}

impl Record for SandboxRecord {
    const COLLECTION: Collection = Collection::Sandboxes;

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }
}

impl SandboxRecord {
    pub(super) fn new(sandbox: &Sandbox, placement: PlacementNumber) -> Self {
        let Sandbox { id, app, runner, role, placed_at } = sandbox.clone();
        Self { id, app, runner, role, placed_at, placement: Some(placement) }
    }

    /// In force from `revision` on.
    pub(super) fn placed(self, revision: Generation) -> Placed {
        let Self { id, app, runner, role, placed_at, placement } = self;
        Placed { sandbox: Sandbox { id, app, runner, role, placed_at }, revision, placement }
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
}

impl Placed {
    /// The number of its stay, if it becomes `next`.
    pub(super) fn placement_as(&self, next: &Sandbox) -> Option<PlacementNumber> {
        let stays = self.sandbox.app == next.app && self.sandbox.runner == next.runner;
        self.placement.filter(|_| stays)
    }
}
