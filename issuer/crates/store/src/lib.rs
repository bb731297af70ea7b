//! Backends of the store port of `moneyer-authority`.
//!
//! Two of them: [`SledStore`], an embedded store for a single coordinator, and [`PostgresStore`], for several that share
//! a database. Every backend passes the suite in `moneyer-testkit`, which states what the port promises; what a backend adds
//! is how it keeps the promise that an acknowledged write survives power loss.
//!
//! [`seal`] is how a record that holds a secret looks on disk. Nothing here knows what the records mean.

mod embedded;
mod findings;
mod limits;
mod postgres;
mod record;
pub mod seal;

pub use embedded::{
    Copied, OpenError, RecoveryError, RecoverySource, RestoreError, SledOptions, SledStore,
    has_recovery_copy, keep_recovery_copy,
};
pub use findings::Findings;
pub use postgres::{
    CopyError, DatabaseUrl, DatabaseUrlError, PostgresError, PostgresOptions, PostgresStore,
    copy_to_postgres,
};
pub use record::{Incarnation, Sealing};
