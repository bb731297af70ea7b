//! A policy: whom it is about, and whether it lets them in.

use std::collections::BTreeSet;

use moneyer_identity::spiffe::{SpiffeId, SpiffeIdPattern};
use moneyer_identity::{Lifetime, PolicyName};
use serde::{Deserialize, Serialize};

use super::permission::Permission;
use crate::store::{Collection, Record};

/// Most patterns of one policy: with the longest there may be they fit a record.
pub const MAXIMUM_PATTERNS: usize = 24;

/// Most permissions of one policy: every verb on every resource, and on all of them.
pub const MAXIMUM_PERMISSIONS: usize = 36;

/// What it means to be named by a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// To be let in.
    Allow {
        /// What its holder may do at the management API. Without any it is a token for other services.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        permissions: BTreeSet<Permission>,
        /// Longest life of the token. Without: what is configured for every log-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maximum_lifetime: Option<Lifetime>,
    },
    /// To be refused.
    Deny,
}

/// Why what is said is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It would be about nobody.
    #[error("a policy names at least one pattern")]
    NoPattern,
    /// It would be long to read, and too long to keep.
    #[error("a policy has {MAXIMUM_PATTERNS} patterns at most; put a second one")]
    TooManyPatterns,
    /// One pattern stands twice.
    #[error("the pattern {0} stands twice")]
    Twice(SpiffeIdPattern),
    /// More than there are.
    #[error("a policy has {MAXIMUM_PERMISSIONS} permissions at most")]
    TooManyPermissions,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name, which tokens carry.
    pub name: PolicyName,
    /// Whom it is about.
    pub patterns: Vec<SpiffeIdPattern>,
    /// What that means.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Policy {
    /// The same, if it can be kept.
    pub(super) fn checked(self) -> Result<Self, PolicyError> {
        if self.patterns.is_empty() {
            return Err(PolicyError::NoPattern);
        }
        if self.patterns.len() > MAXIMUM_PATTERNS {
            return Err(PolicyError::TooManyPatterns);
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.patterns.iter().find(|one| !seen.insert(one.to_string())) {
            return Err(PolicyError::Twice(twice.clone()));
        }
        match &self.effect {
            Effect::Allow { permissions, .. } if permissions.len() > MAXIMUM_PERMISSIONS => {
                Err(PolicyError::TooManyPermissions)
            }
            _ => Ok(self),
        }
    }

    /// The most specific of its patterns that match an id.
    pub(super) fn best_match(&self, id: &SpiffeId) -> Option<&SpiffeIdPattern> {
        let matching = self.patterns.iter().filter(|pattern| pattern.matches(id));
        matching.max_by_key(|pattern| pattern.specificity())
    }
}

impl Record for Policy {
    const COLLECTION: Collection = Collection::Policies;

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}
