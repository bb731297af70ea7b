//! The test stand: real processes on free loopback ports in a directory of their own.
//!
//! Everything is started as an operator would start it (a configuration file and a binary), because a
//! server that shares a process with its load generator cannot be measured. All of it ends with the
//! value that holds it, also when a run fails.

mod binaries;
mod child;
mod cluster;
mod coordinator;
mod json_api;
mod membership;
mod nginx;
mod ports;
mod runner_proxy;
mod sandboxes;

pub use binaries::{Binaries, BinaryError};
pub use child::{ChildError, Environment};
pub(crate) use cluster::{Cluster, ClusterError, Footing, PROXY_SANDBOX};
pub use coordinator::{Coordinator, CoordinatorError};
pub use json_api::ApiError;
pub use membership::{Membership, MembershipError};
pub(crate) use nginx::{Nginx, NginxError};
pub use runner_proxy::{RunnerProxy, RunnerProxyError};
pub(crate) use sandboxes::sandbox_name;
