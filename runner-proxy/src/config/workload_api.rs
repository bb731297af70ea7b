//! `[workload_api]`: which profiles of the SPIFFE Workload API sandboxes have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which profiles of the Workload API sandboxes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadApiSection {
    /// X.509-SVIDs and their bundles. Off: its calls are answered `UNIMPLEMENTED`. One of the two profiles must
    /// be on. Default: true.
    pub x509: bool,
    /// JWT-SVIDs, their bundles and their validation. Off: its calls are answered `UNIMPLEMENTED`. Default: true.
    pub jwt: bool,
}

impl Default for WorkloadApiSection {
    fn default() -> Self {
        Self { x509: true, jwt: true }
    }
}
