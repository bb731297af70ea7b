//! Outbound HTTP, built in one place.
//!
//! https only, but for loopback hosts; no redirects, no proxy from the environment, no
//! cookies, no compression; time and size bounded, the size while the body comes in. The
//! name `localhost` is this machine whatever the resolver says. Whoever fetches something
//! from outside gets a client here or not at all.
//!
//! There are three. [`OutboundClient`] takes a document or refuses it, puts one, and carries what
//! other protocols say. [`Probe`] refuses
//! nothing that came: it tells what a server answers, and what its certificates are worth,
//! to whoever judges a server and trusts it with nothing. [`ForeignDocument`] asks servers that others
//! name: it follows a redirect that meets its rules, and asks public addresses alone.

mod client;
mod foreign;
mod policy;
mod probe;
mod url;
mod witness;

pub use client::{Fetched, OutboundClient};
pub use foreign::{ForeignDocument, MAXIMUM_REDIRECTS, ServerProof, is_public};
pub use policy::{OutboundError, OutboundPolicy};
pub use probe::{Answer, Probe, Probed};
pub use url::OutboundUrl;
pub use witness::{PeerChain, Worth};
