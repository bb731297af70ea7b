//! Plumbing that any Moneyer daemon needs.
//!
//! Nothing here knows of tokens, keys, sandboxes or gRPC services: the crate holds what the
//! coordinator and the runner proxy do alike, so that limits, file modes and exit codes
//! are decided once. It keeps no global state beyond what the signal handlers, the
//! subscriber of `tracing` and the crypto provider of rustls force on a process.
//!
//! - [`exit`]: exit codes
//! - [`file`]: atomic writes, secret files, locks
//! - [`lifecycle`]: shutdown, tasks, signals
//! - [`tls`]: mutual TLS without resumption, HTTPS

pub mod exit;
pub mod file;
pub mod lifecycle;
pub mod tls;
