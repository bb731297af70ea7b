//! The store port on PostgreSQL, for several coordinators that share it.
//!
//! - One row, the head, is locked first and advanced last by every commit, so generations are the order of commits
//!   and what changed since one of them is never seen with a gap (`writer`, `group`);
//! - a commit is acknowledged when the server says that it is committed, under `synchronous_commit` as configured. An
//!   answer that does not come leaves it unknown, and the caller is told that the store is unavailable;
//! - values are the embedded store's: sealed where they hold a secret, in an envelope with a checksum, and counted
//!   in an authenticated sum of all, so that who writes to the database is noticed (`inspection`);
//! - a server that lacks what this process was told is committed, or that went another way, is not written to: its
//!   failover lost it (`standing`);
//! - nothing lives longer than a transaction on a connection of the pool, so that a pooler between which hands every
//!   transaction to another connection changes nothing (`connections`). Word of changes may be lost with such a
//!   pooler: beside it the head is asked (`watch`).
//!
//! Every wait has an end: a server that hangs is a store that is unavailable. The form is that of
//! docs/decisions/0022-postgresql.md.

mod connections;
mod copy;
mod failure;
mod group;
mod inspection;
mod open;
mod options;
mod rekey;
mod rows;
mod schema;
mod servers;
mod shared;
mod standing;
mod store;
#[cfg(test)]
mod tests;
mod turn;
mod url;
mod watch;
mod writer;

pub use copy::{CopyError, copy_to_postgres};
pub use open::PostgresError;
pub use options::PostgresOptions;
pub use store::PostgresStore;
pub use url::{DatabaseUrl, DatabaseUrlError};
