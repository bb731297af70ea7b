//! The runner proxy's configuration: one TOML file, one section a file here.
//!
//! Every key but `coordinator.trust_domain` has a default, is documented where it is declared (the
//! schema is generated from that), and can be overridden by `MONEYER__SECTION__KEY`. Unknown keys
//! are errors, and all errors are reported together with their lines. There is no secret in it.

mod audit;
mod check;
mod control;
mod coordinator;
mod forward;
mod grants;
mod limits;
mod operations;
mod runner;
mod sandboxes;
mod telemetry;
mod token_server;
mod tokens;
mod user_range;
mod workload_api;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audit::AuditSection;
pub use control::ControlSection;
pub use coordinator::{CoordinatorAddress, CoordinatorAddressError, CoordinatorSection};
pub use forward::ForwardSection;
pub use grants::GrantsSection;
pub use limits::LimitsSection;
pub use operations::OperationsSection;
pub use runner::RunnerSection;
pub use sandboxes::SandboxesSection;
pub use telemetry::{LogFormat, TelemetrySection};
pub use token_server::TokenServerSection;
pub use tokens::TokensSection;
pub use user_range::{UserRange, UserRangeError};
pub use workload_api::WorkloadApiSection;

/// The configuration of a runner proxy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which cluster this host belongs to, and where its coordinator is.
    pub coordinator: CoordinatorSection,
    /// Where this daemon keeps things.
    #[serde(default)]
    pub runner: RunnerSection,
    /// Tokens over TCP.
    #[serde(default)]
    pub token_server: TokenServerSection,
    /// How the commands reach this daemon.
    #[serde(default)]
    pub control: ControlSection,
    /// How tokens are renewed.
    #[serde(default)]
    pub tokens: TokensSection,
    /// What sandboxes see.
    #[serde(default)]
    pub sandboxes: SandboxesSection,
    /// Which profiles of the SPIFFE Workload API sandboxes have.
    #[serde(default)]
    pub workload_api: WorkloadApiSection,
    /// Tokens on requests of sandboxes.
    #[serde(default)]
    pub forward: ForwardSection,
    /// Where it is recorded what they are, and what was refused.
    #[serde(default)]
    pub audit: AuditSection,
    /// How these tokens are obtained.
    #[serde(default)]
    pub grants: GrantsSection,
    /// Health and metrics.
    #[serde(default)]
    pub operations: OperationsSection,
    /// How much is done for whom.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Logs.
    #[serde(default)]
    pub telemetry: TelemetrySection,
}
