//! Moneyer's signers: implementations of the signer port of `moneyer-authority`.
//!
//! A signer turns an unsigned token into a signed one with a key it holds. `local` holds keys in this
//! process's memory and signs through josekit's `JwsSigner` on a bounded pool of its own threads, because a
//! signature takes a quarter of a millisecond and on the async threads would starve the public endpoints.
//! `vault` asks the transit engine of HashiCorp Vault or OpenBao, and `pkcs11` a hardware security module:
//! both sign the very bytes that josekit writes, and no signature of theirs leaves before it was verified
//! here. [`Signers`] opens each key with the signer that made it, so that a cluster moves from one to another
//! by an ordinary rotation. `import` reads keys that were made elsewhere.

pub mod import;
mod local;
pub mod pkcs11;
mod pool;
mod remote;
mod signers;
pub mod vault;

pub use local::LocalSigner;
pub use pool::PoolLimits;
pub use signers::{Backend, Signers};
