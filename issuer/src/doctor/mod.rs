//! Looking at an issuer from outside, as a relying party would.
//!
//! [`Look`] fetches what is public and writes down what it saw, an [`Observation`]. [`examine`] judges it,
//! and with it what a running coordinator says of itself, if one was asked ([`Inside`]). Every rule is a
//! pure function to [`Finding`]s, and one that fails hides no other: what cannot be judged says so.
//!
//! The measure is OpenID Connect Discovery 1.0 section 4 and RFC 7517, and beyond them what AWS, Google
//! Cloud, Azure and the others were seen to demand. Nothing that is fetched here is trusted, nothing is
//! changed, and no redirect is followed.

mod address;
mod check;
mod date;
mod examine;
mod finding;
mod inside;
mod look;
mod observation;
mod rules;
#[cfg(test)]
mod samples;

pub use address::{AddressError, IssuerAddress};
pub use check::Check;
pub use examine::examine;
pub use finding::{Finding, Part, Severity, worst};
pub use inside::{Inside, InsideKey, OwnToken, SubjectLengths};
pub use look::{Look, Names, Told};
pub use observation::{Document, Limits, Missing, Observation};
