//! X.509-SVIDs: reading leaves and verifying chains (X509-SVID standard, sections 2 to 5).
//!
//! [`X509Leaf`] is what a leaf says, [`VerifiedX509Svid`] what it proves; only [`VerifiedX509Svid::verify`]
//! makes the second. The path is built by rustls-webpki with aws-lc-rs, the library and the provider that
//! TLS is verified with anyway: one judge of certificates, and no root store but the bundle of the leaf's
//! own trust domain. That library passes over key usages and over what a URI name means, so both are
//! checked here.

mod chain;
mod leaf;

pub use chain::{ChainError, MAXIMUM_CHAIN_CERTIFICATES, VerifiedX509Svid};
pub use leaf::{LeafError, X509Leaf};
