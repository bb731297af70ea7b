//! To what a provider is attached.

use moneyer_identity::{AppName, AppUid, SandboxId};
use serde::{Deserialize, Serialize};

use crate::registry::App;

/// An app, or one of its sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// Every sandbox of an app: of this one, not of another that has the name later.
    App(AppName, AppUid),
    /// One sandbox.
    Sandbox(SandboxId, AttachedSandbox),
}

/// From what a provider is detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detachment {
    /// From all sandboxes of an app.
    App(AppName),
    /// From one sandbox.
    Sandbox(SandboxId),
}

/// Whose sandbox it is. The id under another app is another sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedSandbox {
    /// Its app.
    pub app: AppName,
    /// Which app of that name.
    pub app_uid: AppUid,
}

impl AttachedSandbox {
    /// Whether it is a sandbox of this app.
    pub(super) fn is_of(&self, app: &App) -> bool {
        self.app == app.name && self.app_uid == app.uid
    }
}
