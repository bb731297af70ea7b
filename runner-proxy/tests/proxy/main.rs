//! The runner proxy as a whole, against a fake coordinator over real mutual TLS.
//!
//! The fake mints texts instead of signed tokens and follows no policy; everything between it and
//! the sandbox's files and sockets is real. Where a test waits, it waits for something to become
//! true, and fails if that takes longer than anything here may take.
#![expect(clippy::unwrap_used, reason = "tests")]

mod authority;
mod bench;
mod cli;
mod coordinator;
mod cut_off;
mod forward;
mod host;
mod http;
mod isolation;
mod outage;
mod sandboxes;
mod workload_api;
