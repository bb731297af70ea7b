//! Local control: how the software that starts sandboxes attaches and detaches them.
//!
//! gRPC over a Unix socket, open to processes of the proxy's own user and root, who could do all of
//! it by hand anyway. Handlers convert, make one call, convert.

mod client;
mod peer;
mod service;

pub(crate) use client::connect;
pub(crate) use service::router;
