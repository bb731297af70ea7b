//! Backends of the store port of `moneyer-authority`.
//!
//! One backend so far: [`SledStore`], an embedded store for a single coordinator. Every backend
//! passes the suite in `moneyer-testkit`, which states what the port promises; what a backend adds
//! is how it keeps the promise that an acknowledged write survives power loss.
//!
//! [`seal`] is how a record that holds a secret looks on disk. Nothing here knows what the records mean.

mod embedded;
mod limits;
pub mod seal;

pub use embedded::{
    Copied, Findings, Incarnation, OpenError, RecoveryError, RecoverySource, RestoreError, Sealing,
    SledOptions, SledStore, has_recovery_copy,
};
