//! Apps: what is deployed as sandboxes.

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
}
