//! Moneyer's coordinator: the daemon that holds a cluster's signing keys, and the operator's commands.
//!
//! [`App`] wires the parts: the store and signer behind `moneyer-authority`, and the edges that speak
//! HTTP and gRPC. An edge converts a request, makes one call into the authority, and converts the
//! answer; the rules are all behind it.

pub mod adoption;
mod app;
mod bearer_file;
pub mod cli;
pub mod config;
mod delegation;
pub mod doctor;
mod documents;
mod exchange;
mod federation;
mod grpc;
mod http;
mod kept_store;
mod key_sets;
mod kubernetes;
mod login;
mod metrics;
mod pace;
mod public_tls;
mod publish;
mod rates;
pub mod seal;
mod shares;
mod signer;
mod trust;
mod yaml;

pub use app::{Addresses, App, DatabaseUrlFileError, StartError};
pub use http::openapi::document as openapi;
pub(crate) use moneyer_identity::error_chain as chain;
pub use public_tls::PublicTlsError;
