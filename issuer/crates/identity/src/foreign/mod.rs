//! Tokens of other issuers: Kubernetes service account tokens and those of any OIDC issuer (RFC 7519, RFC 8725).
//!
//! They are as their issuers write them, so their headers are not a closed set as ours is, their algorithms are those
//! of other people's keys, and a `jti` is no matter of course. The keys are those of the issuer that is named and of no
//! other; nothing in a token leads anywhere. [`VerifiedForeignToken`] is made by [`ForeignTokenRules::verify`] alone.
//! An [`ExaminedForeignToken`] proves nothing.

mod keys;
mod rules;
mod verified;

pub use keys::ForeignKeys;
pub use rules::{ForeignTokenError, ForeignTokenRules, claimed_issuer};
pub use verified::{ExaminedForeignToken, VerifiedForeignToken};
