//! Copies of the public documents, and what relying parties read of them.
//!
//! An issuer's URL need not lead to this daemon: the [documents](crate::documents) can be static files in a
//! directory, in a bucket that speaks S3, or on a server that takes HTTP PUT, byte for byte as they are
//! served here. Copies are written on every change and on a timer, key sets before discovery, each file
//! whole or not at all. Nothing is ever deleted: a relying party may still ask for it.
//!
//! The invariant: a prepared key counts as published only while it is seen where relying parties read. That
//! is `publish.verify_url` where it is set, else the copies, else the public listener. What cannot be
//! seen does not sign; the active key goes on.

mod bucket;
mod directory;
mod error;
mod public_copy;
mod publisher;
mod request;
mod server;
mod status;
mod target;

pub(crate) use error::{NoTarget, SetUpError};
pub(crate) use publisher::{PublishRequests, Publisher};
pub(crate) use status::{PublicCopyStatus, PublishStatus, TargetStatus};
