//! A provider's record.

use std::collections::BTreeMap;

use moneyer_identity::{AppName, AppUid, CredentialName, ProviderName, SandboxId};
use serde::{Deserialize, Serialize};

use super::attachment::{AttachedSandbox, Attachment};
use super::credential::StoredCredential;
use crate::profiles::ProfileId;
use crate::registry::App;
use crate::store::{Collection, Record};

/// A named instance of a profile, with what it holds and to what it is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name.
    pub name: ProviderName,
    /// Its profile.
    pub profile: ProfileId,
    /// What it holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<CredentialName, StoredCredential>,
    /// The apps it is attached to, each the one of this uid.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<AppName, AppUid>,
    /// The sandboxes it is attached to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sandboxes: BTreeMap<SandboxId, AttachedSandbox>,
}

impl Record for Provider {
    const COLLECTION: Collection = Collection::Providers;

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}

impl Provider {
    /// Whether a sandbox of an app has it.
    #[must_use]
    pub fn is_attached(&self, app: &App, sandbox: &SandboxId) -> bool {
        self.apps.get(&app.name) == Some(&app.uid)
            || self.sandboxes.get(sandbox).is_some_and(|attached| attached.is_of(app))
    }

    /// To how many apps and sandboxes it is attached.
    #[must_use]
    pub fn attachments(&self) -> usize {
        self.apps.len().saturating_add(self.sandboxes.len())
    }

    pub(super) fn attach(&mut self, to: Attachment) {
        match to {
            Attachment::App(name, uid) => drop(self.apps.insert(name, uid)),
            Attachment::Sandbox(id, whose) => drop(self.sandboxes.insert(id, whose)),
        }
    }
}
