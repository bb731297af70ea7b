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

pub(crate) use binaries::Binaries;
pub(crate) use cluster::{Cluster, ClusterError, Footing};
pub(crate) use membership::{Membership, MembershipError};
pub(crate) use nginx::{Nginx, NginxError};
pub(crate) use runner_proxy::RunnerProxyError;
pub(crate) use sandboxes::sandbox_name;
