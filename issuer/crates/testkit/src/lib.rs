//! What the tests of Moneyer share: suites that every backend runs, and fakes.
//!
//! Only ever a development dependency: what is here panics where a check fails.

pub mod audit;
mod certificates;
mod clock;
mod fixture_key;
mod foreign_issuer;
mod path;
pub mod postgres;
mod redaction;
pub mod signer;
pub mod store;
mod token_review_model;
pub mod vault_model;

pub use certificates::{LeafForm, MemberRequest, TestCa};
pub use clock::{ManualClock, START};
pub use fixture_key::FixtureKey;
pub use foreign_issuer::ForeignIssuer;
pub use path::openssl_verifies;
pub use redaction::shown_as;
pub use token_review_model::{ModelAccount, TokenReviewModel};
