//! The cluster's own trust bundle: what others verify its SVIDs with (SPIFFE Trust Domain and Bundle).
//!
//! The bundle is a function of the rings. Its sequence number is not: it grows exactly when the content
//! changes, over restarts too, so it is a record. New content is told to nobody before its number is durable:
//! after a crash the same number would stand for two contents, and a reader that orders by it would keep the
//! wrong one. It begins at the time in Unix seconds and not at 1, so that it grows over a restored backup too.

mod own;
mod record;

pub use own::{BundleError, OwnBundle};
