//! Keys in the transit engine of HashiCorp Vault, or of OpenBao, which speaks the same API.
//!
//! One named transit key for each kind of key, `PREFIX-rsa-2048` and so on; each version of it is one key of
//! Moneyer. Its `kid` is the thumbprint of the version's public half, and every request names its version: a
//! rotation in Vault changes nothing about what is signed. A version that somebody else made is
//! [found](moneyer_authority::signer::Signer::found) and waits its turn as any key does. One call for a token,
//! one for a batch, and each signature is verified here before it leaves.
//!
//! HTTP is a port of one function, [`VaultTransport`]: this crate knows no client. The contract is the one of
//! Vault's documentation and of what version 1.8 was seen to do; where the two leave room (PSS when no scheme
//! is named, an empty input that is signed all the same), the request says everything.

mod answer;
mod client;
mod error;
mod key;
mod login;
mod names;
mod signer;
#[cfg(test)]
mod tests;
mod transit;
mod transport;

pub use error::VaultError;
pub use login::VaultLogin;
pub use names::{NameError, PathSegments, VaultPath};
pub use signer::{VaultOptions, VaultSigner};
pub use transport::{TransportError, VaultTransport};
