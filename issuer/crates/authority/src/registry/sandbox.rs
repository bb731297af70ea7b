//! Sandboxes: instances of apps, each placed on exactly one runner.

use moneyer_identity::{AppName, RoleName, RunnerId, SandboxId, UnixTime};
use serde::{Deserialize, Serialize};

use crate::store::{Collection, Generation, Record};

/// A sandbox's record, and what a controller or operator says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Its id, unique in the cluster.
    pub id: SandboxId,
    /// The app it is an instance of.
    pub app: AppName,
    /// The runner it is placed on.
    pub runner: RunnerId,
    /// The `role` claim of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// When it was placed there.
    pub placed_at: UnixTime,
}

impl Record for Sandbox {
    const COLLECTION: Collection = Collection::Sandboxes;

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }
}

/// A sandbox in force, and the generation that placed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its record.
    pub sandbox: Sandbox,
    /// The generation from which it is in force.
    pub revision: Generation,
}
