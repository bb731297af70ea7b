//! What is stored of an issuer.

use std::time::Duration;

use moneyer_identity::{IssuerUrl, Lifetime, UnixTime};
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
    /// The longest that any token under it may live. It never gets shorter. `None`: it was written before
    /// this was noted; then the present configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_lifetime: Option<Lifetime>,
}

impl IssuerRecord {
    /// An issuer that tokens name from now on, none living longer than this.
    pub(super) fn current(issuer: IssuerUrl, since: UnixTime, longest: Duration) -> Self {
        let record = Self { issuer, since, left_at: None, longest_lifetime: None };
        record.lengthened(longest)
    }

    /// The same, where tokens may live so long from now on: what is noted never gets shorter.
    pub(super) fn lengthened(self, longest: Duration) -> Self {
        Self { longest_lifetime: self.longest_lifetime.max(Some(Lifetime::of(longest))), ..self }
    }
}

impl Record for IssuerRecord {
    const COLLECTION: Collection = Collection::Issuers;

    fn id(&self) -> String {
        self.issuer.as_str().to_owned()
    }
}
