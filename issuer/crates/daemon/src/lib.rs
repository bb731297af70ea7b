//! Plumbing that any Moneyer daemon needs.
//!
//! Nothing here knows of our tokens, keys, sandboxes or gRPC services: the crate holds what the
//! coordinator and the runner proxy do alike, so that limits, file modes and exit codes
//! are decided once. It keeps no global state beyond what the signal handlers, the
//! subscriber of `tracing` and the crypto provider of rustls force on a process.
//!
//! - [`backoff`]: waits between attempts
//! - [`clock`]: the wall clock, watched
//! - [`exit`]: exit codes
//! - [`mod@file`]: atomic writes, secret files, locks
//! - [`hardening`]: no core dumps, nobody attaches
//! - [`lifecycle`]: shutdown, tasks, signals
//! - [`listener`]: one HTTP server with limits for every protocol
//! - [`notify`]: telling the service manager
//! - [`oauth`]: the client of token endpoints
//! - [`outbound`]: the one outbound HTTP client
//! - [`output`]: what a command prints
//! - [`progress`]: telling a person that something takes its time
//! - [`settings`]: a TOML file and the environment, with every mistake at once
//! - [`telemetry`]: logs and metrics
//! - [`tls`]: mutual TLS without resumption, HTTPS
//! - [`unix_http`]: a small HTTP client over a Unix socket

pub mod backoff;
pub mod clock;
pub mod exit;
pub mod file;
pub mod hardening;
pub mod lifecycle;
pub mod listener;
pub mod notify;
pub mod oauth;
pub mod outbound;
pub mod output;
pub mod progress;
pub mod settings;
pub mod telemetry;
pub mod tls;
pub mod unix_http;
