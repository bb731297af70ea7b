//! Keys in this process's memory.
//!
//! RSA and P-256 by aws-lc-rs, parsed once (it blinds RSA operations; the `rsa` crate, whose timing
//! leaks, never touches a private key here). Handles are PKCS#8. Opening a key proves that it belongs
//! to its public half: aws-lc-rs refuses a private key whose parts contradict each other, and the public
//! half it computes must have the thumbprint that is asked for.

mod jws_signer;
mod pool;
mod signer;
#[cfg(test)]
mod tests;

pub use pool::PoolLimits;
pub use signer::LocalSigner;
