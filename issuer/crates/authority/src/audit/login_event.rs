//! What is recorded of log-ins and of the policies they are decided by. As everywhere, no token has a field here.

use moneyer_identity::spiffe::SpiffeIdPattern;
use moneyer_identity::{Lifetime, PolicyName};
use serde::Serialize;

use crate::login::Permission;

/// A policy that is made, or changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyPut {
    /// Its name.
    pub policy: PolicyName,
    /// Whom it is about.
    pub patterns: Vec<SpiffeIdPattern>,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// What it permits at the management API.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<Permission>,
    /// Longest life of its tokens in seconds, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_lifetime: Option<Lifetime>,
}

/// A log-in that is refused. Whoever is known by a verified SVID stands in `who`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoginRefused {
    /// The kind of refusal.
    pub class: &'static str,
    /// Why: more than the caller was told.
    pub reason: String,
    /// How many refusals this record stands for.
    pub count: u64,
}

/// A request to the management API that is refused. Whoever is known by a good token stands in `who`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestRefused {
    /// The kind of refusal.
    pub class: &'static str,
    /// Why: more than the caller was told.
    pub reason: String,
    /// How many refusals this record stands for.
    pub count: u64,
}
