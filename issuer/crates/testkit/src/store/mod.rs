//! What every backend of the store port must do, and a backend in memory.
//!
//! The checks are the port's contract in executable form. A backend says how it is opened
//! ([`Backend`]) and runs them all with [`store_suite!`](crate::store_suite), one test for each
//! check. One that several coordinators share runs [`shared_store_suite!`](crate::shared_store_suite) too.
//! [`MemoryStore`] is for the tests of whatever uses a store, [`MemoryPlace`] for those of several coordinators
//! that share one.

mod backend;
mod checks;
mod concurrent_checks;
mod limit_checks;
mod memory;
mod replica;
mod shared_backend;
mod shared_checks;
mod shared_stress;

pub use backend::Backend;
pub use checks::*;
pub use concurrent_checks::*;
pub use limit_checks::*;
pub use memory::{MemoryBackend, MemoryStore};
pub use replica::{MemoryPlace, MemoryReplica, MemorySharedBackend};
pub use shared_backend::SharedBackend;
pub use shared_checks::*;
pub use shared_stress::*;
