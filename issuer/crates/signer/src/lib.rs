//! Moneyer's signers: implementations of the signer port of `moneyer-authority`.
//!
//! A signer turns an unsigned token into a signed one with a key it holds, through josekit's
//! `JwsSigner`, so that every signer makes the same bytes. `local` holds keys in this process's memory
//! and signs on a bounded pool of its own threads, because a signature takes a quarter of a millisecond
//! and on the async threads would starve the public endpoints. `import` reads keys that were made
//! elsewhere.

pub mod import;
mod local;

pub use local::{LocalSigner, PoolLimits};
