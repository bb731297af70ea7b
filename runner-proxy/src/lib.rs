//! Moneyer's runner proxy: one on every runner host, between its sandboxes and the coordinator.
//!
//! It holds no signing key. It joins its cluster once, follows which sandboxes the coordinator
//! places on its host, hands each sandbox its own tokens as files and over a token server, and keeps
//! serving from its cache while the coordinator is away. [`App`] wires the parts; the commands are
//! in [`cli`].

mod app;
mod audit;
pub mod cli;
pub mod config;
mod control;
mod coordinator;
#[cfg(test)]
mod fakes;
mod forward;
mod grant;
mod isolation;
mod metrics;
mod operations;
mod sandbox;
mod svid;
mod token;
mod workload_api;

pub use app::{App, StartError};
pub use coordinator::{
    BundlesError, JoinError, JoinTokenError, MembershipError, OwnBundleError, PlacementError,
};
pub use forward::AuthorityError;
#[cfg(any(test, feature = "fuzzing"))]
pub use forward::fuzzed;
pub(crate) use moneyer_identity::error_chain as chain;
pub use sandbox::{RosterError, SecretError};
pub use workload_api::ReflectionError;
