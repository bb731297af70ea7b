//! A real PostgreSQL, started for a test and ended with it.
//!
//! Debian's `postgresql` package is needed, and only its programs: a test that finds none fails and says so. The
//! server refuses to run as root, so under root it runs as the package's own user.

mod bouncer;
mod server;

pub use bouncer::PgBouncer;
pub use server::{Frozen, PostgresServer};
