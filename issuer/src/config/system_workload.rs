//! `[[system_workload]]`: parts of the platform that hold tokens of their own.

use moneyer_identity::SystemWorkloadName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the platform that holds tokens of its own. The list is closed: what is not in it gets none.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemWorkloadSection {
    /// Its name. Required.
    pub name: SystemWorkloadName,
    /// Whether runners may ask for its tokens. Default: false.
    #[serde(default)]
    pub on_runners: bool,
}
