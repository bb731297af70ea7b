//! What every backend of the audit port must do, and a log in memory.
//!
//! The checks are the port's contract in executable form. A backend says how it is opened and read back
//! ([`Backend`]) and runs them all with [`audit_suite!`](crate::audit_suite). [`MemoryAudit`] is for the
//! tests of whatever records; [`samples`] has one event of each kind.

mod backend;
mod checks;
mod memory;
mod samples;

pub use backend::Backend;
pub use checks::*;
pub use memory::{MemoryAudit, MemoryBackend};
pub use samples::samples;
