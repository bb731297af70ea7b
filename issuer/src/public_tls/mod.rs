//! TLS of the public listener: where its certificate comes from, and how it is exchanged while it serves.
//!
//! The listener takes another certificate for the next connection and leaves open ones alone
//! ([`ServerTls::replace`](moneyer_daemon::tls::ServerTls::replace)). A certificate that serves is given up
//! for nothing but one that can be used; one that has ended serves on, since relying parties say more about it than
//! about a closed port. It has no part in minting: what is wrong with it is told, and stops no token.

mod acme;
mod certificate;
mod error;
mod from_files;
mod source;

pub(crate) use certificate::PublicCertificate;
pub use error::PublicTlsError;
pub(crate) use source::PublicTls;
