//! Keys in this process's memory.
//!
//! RSA and P-256 by aws-lc-rs, parsed once (it blinds RSA operations; the `rsa` crate, whose timing
//! leaks, never signs here), Ed25519 by ed25519-dalek. Handles are PKCS#8. Opening a key proves that it
//! belongs to its public half: aws-lc-rs refuses a private key whose parts contradict each other, and
//! the public half that is computed must have the thumbprint that is asked for. No Ed25519 key is made:
//! one that a cluster began with signs until its successor has been published long enough.

mod jws_signer;
mod signer;
#[cfg(test)]
mod tests;

pub(crate) use jws_signer::{PrivateKey, ed25519_pkcs8};
pub use signer::LocalSigner;
