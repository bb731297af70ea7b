//! What every backend of the signer port must do, and a signer with ready-made keys.
//!
//! [`suite`] is the port's contract in executable form: a backend's test calls it with a signer of its
//! own. Every signature is checked twice, by the verifier relying parties' rules are written into and by
//! code that shares nothing with it. [`FixtureSigner`] is for the tests of whatever uses a signer, [`FreshSigner`] for those that need many
//! keys.

mod fixture;
mod fresh;
mod independent;
mod suite;

pub use fixture::FixtureSigner;
pub use fresh::FreshSigner;
pub use suite::{adopted_suite, existing_suite, sample_claims, suite};
