//! What is stored of an issuer.

use moneyer_identity::{IssuerUrl, UnixTime};
use serde::{Deserialize, Serialize};

use crate::store::{Collection, Record};

/// An issuer's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerRecord {
    /// The value of `iss`.
    pub issuer: IssuerUrl,
    /// From when tokens name it.
    pub since: UnixTime,
    /// When the cluster moved on. `None`: it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<UnixTime>,
}

impl Record for IssuerRecord {
    const COLLECTION: Collection = Collection::Issuers;

    fn id(&self) -> String {
        self.issuer.as_str().to_owned()
    }
}
