//! `[grants]`: how token services are asked for tokens on users' behalf.

use std::path::PathBuf;

use moneyer_identity::Audience;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How token services are asked for tokens on users' behalf. Which ones: `moneyer profile put`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrantsSection {
    /// PEM files with roots that token services are verified by, beside those of this machine. Default: none.
    pub roots: Vec<PathBuf>,
    /// Audiences of which the coordinator shows a token service an assertion of its own, where a profile asks for it
    /// (`jwt_svid_audience`), though they do not name the server of the token endpoint. Whoever is shown one can be the
    /// coordinator at whoever takes it: name the token services that you trust with each other. Default: none.
    pub assertion_audiences: Vec<Audience>,
}
