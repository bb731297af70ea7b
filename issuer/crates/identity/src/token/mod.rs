//! Tokens: JWTs in JWS compact serialisation (RFC 7515 section 3.1, RFC 7519), and the one verifier.
//!
//! [`Token`] is a secret: whoever holds it is the sandbox, so it has no `Display` and a redacted
//! `Debug`. [`UnverifiedToken`] is text of the right shape and yields only what is needed to choose a
//! key. [`Verifier`] is the only way to a [`VerifiedToken`], and every place that accepts tokens uses
//! it. JWT-SVIDs are another profile with a check of its own, in [`crate::spiffe`].

mod compact;
mod secret;
#[cfg(test)]
#[expect(clippy::string_slice, reason = "what the tests cut is ASCII")]
mod tests;
mod unsigned;
mod unverified;
mod verified;
mod verifier;

pub use compact::MAXIMUM_TOKEN_BYTES;
pub(crate) use compact::{Compact, CompactError};
pub use secret::Token;
pub use unsigned::{NotItsSignature, SigningInput, UnsignedToken};
pub use unverified::UnverifiedToken;
pub use verified::VerifiedToken;
pub use verifier::{Expectations, Verifier, VerifyError};
pub(crate) use verifier::{LATEST, MAXIMUM_AUDIENCES};
