//! Apps: what is deployed as sandboxes.

use moneyer_identity::spiffe::SpiffeIdEnding;
use moneyer_identity::{AppName, AppUid, Audience, CloudAccounts, UnixTime};
use serde::{Deserialize, Serialize};

use crate::store::{Collection, Record};

/// Most audiences of an app: of the longest, and with every byte escaped, its record is 48 KiB, and a
/// record of the store holds 64.
pub(crate) const MAXIMUM_AUDIENCES: usize = 48;

/// An app's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its name, unique in the cluster.
    pub name: AppName,
    /// Given once. An app that is removed and made again has another.
    pub uid: AppUid,
    /// The audiences its sandboxes may ask for. Empty: any that is not reserved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<Audience>,
    /// Who its sandboxes are at the clouds.
    #[serde(default, skip_serializing_if = "CloudAccounts::is_empty")]
    pub accounts: CloudAccounts,
    /// What comes after the app in the SPIFFE IDs of its sandboxes. `None`: what the cluster's template says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_ending: Option<SpiffeIdEnding>,
    /// When it was made.
    pub created_at: UnixTime,
}

impl Record for App {
    const COLLECTION: Collection = Collection::Apps;

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}

/// What a controller or operator says of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppChange {
    /// Which app.
    pub name: AppName,
    /// The audiences its sandboxes may ask for. Empty: any that is not reserved.
    pub audiences: Vec<Audience>,
    /// Who its sandboxes are at the clouds. `None`: who they were before.
    pub accounts: Option<CloudAccounts>,
    /// How the SPIFFE IDs of its sandboxes end.
    pub spiffe_ending: EndingChange,
}

impl AppChange {
    /// The app as it becomes.
    pub(super) fn of(self, before: &App) -> App {
        let Self { name, audiences, accounts, spiffe_ending } = self;
        App {
            name,
            uid: before.uid.clone(),
            audiences,
            accounts: accounts.unwrap_or_else(|| before.accounts.clone()),
            spiffe_ending: spiffe_ending.of(before.spiffe_ending.as_ref()),
            created_at: before.created_at,
        }
    }

    /// The app as it begins.
    pub(super) fn first(self, uid: AppUid, now: UnixTime) -> App {
        let Self { name, audiences, accounts, spiffe_ending } = self;
        let (accounts, spiffe_ending) = (accounts.unwrap_or_default(), spiffe_ending.of(None));
        App { name, uid, audiences, accounts, spiffe_ending, created_at: now }
    }
}

/// What is said of the ending of an app's SPIFFE IDs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EndingChange {
    /// It stays what it was.
    #[default]
    AsBefore,
    /// What the cluster's template says.
    Clusters,
    /// Its own.
    Own(SpiffeIdEnding),
}

impl EndingChange {
    pub(super) fn of(self, before: Option<&SpiffeIdEnding>) -> Option<SpiffeIdEnding> {
        match self {
            Self::AsBefore => before.cloned(),
            Self::Clusters => None,
            Self::Own(ending) => Some(ending),
        }
    }
}

impl From<Option<SpiffeIdEnding>> for EndingChange {
    fn from(ending: Option<SpiffeIdEnding>) -> Self {
        ending.map_or(Self::Clusters, Self::Own)
    }
}
