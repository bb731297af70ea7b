//! Moneyer's coordinator: the daemon that holds a cluster's signing keys, and the operator's commands.
//!
//! [`App`] wires the parts: the store and signer behind `moneyer-authority`, and the edges that speak
//! HTTP and gRPC. An edge converts a request, makes one call into the authority, and converts the
//! answer; the rules are all behind it.

pub mod adoption;
mod app;
pub mod cli;
pub mod config;
mod grpc;
mod http;
mod metrics;
pub mod seal;

use std::error::Error;

pub use app::{Addresses, App, StartError};

/// An error and its causes, outermost first, for logs and the operator. A cause that its error has
/// said already, as those of other crates often do, is not said again.
fn chain(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
