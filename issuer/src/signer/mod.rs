//! The signers of a coordinator's configuration: how Vault is asked over HTTP, and what signing elsewhere
//! costs, for `/metrics`.

mod measured;
mod transport;

pub(crate) use measured::{Measured, SignerMetrics};
pub(crate) use transport::VaultHttp;
