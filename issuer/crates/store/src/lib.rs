//! Backends of the store port of `moneyer-authority`.
//!
//! One backend so far: [`SledStore`], an embedded store for a single coordinator. Every backend
//! passes the suite in `moneyer-testkit`, which states what the port promises; what a backend adds
//! is how it keeps the promise that an acknowledged write survives power loss.
//!
//! Nothing here knows what the records mean.

mod embedded;
mod limits;

pub use embedded::{OpenError, SledOptions, SledStore};
