//! A client for a document on a server that somebody else names and runs.
//!
//! https to the end: a redirect is followed a few times, only to an address that meets the same rules, with
//! the server there proving itself in the same way, and is forgotten afterwards (SPIFFE Federation, section
//! 5.2.1). Every fetch is a connection of its own. Addresses that only this machine reaches are not asked unless
//! that is allowed.

mod addresses;
mod document;
mod server_proof;
#[cfg(test)]
mod tests;

pub use addresses::is_public;
pub use document::{ForeignDocument, MAXIMUM_REDIRECTS};
pub use server_proof::ServerProof;
