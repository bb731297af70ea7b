//! SPIFFE identities (SPIFFE-ID standard, sections 2.1 to 2.4).
//!
//! Parsing is strict where the standard leaves a choice: an upper-case trust domain or scheme is
//! refused rather than folded, because a policy that matched before folding would match something
//! else after it. Nothing is percent-decoded and no path is normalised.

mod id;
mod template;
mod trust_domain;

pub use id::{SpiffeId, SpiffeIdError};
pub use template::{SpiffeIdEnding, SpiffeIdTemplate, SpiffeIdTemplateError};
pub use trust_domain::{TrustDomain, TrustDomainError};
