//! JWT-SVIDs: checking those of any known trust domain (JWT-SVID standard, sections 2 to 4).
//!
//! A JWT-SVID is not one of our OIDC tokens: its header is a closed set of its own, its algorithms are
//! wider and its subject alone says whose key must have signed it. So it has a check of its own, which
//! shares the reading of text with [`crate::Verifier`] and neither its algorithms nor its proof.
//! [`VerifiedJwtSvid`] is made by [`JwtSvidRules::verify`] alone.

mod claims;
mod rules;
mod verified;

pub(crate) use claims::{audiences as token_audiences, times as token_times};
pub use rules::{JwtSvidError, JwtSvidRules, MAXIMUM_LEEWAY, RuleError, claimed_trust_domain};
pub use verified::VerifiedJwtSvid;
