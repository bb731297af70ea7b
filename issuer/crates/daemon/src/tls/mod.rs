//! TLS on both ends of the connection between runner and coordinator, and for HTTPS.
//!
//! Mutual TLS is TLS 1.3 only (RFC 8446), with no session storage, no tickets and no early
//! data: a resumed session skips the client-certificate verifier, so a certificate that
//! was revoked or expired since would still get in. Peers are known by the one SPIFFE ID
//! in their X509-SVID (SPIFFE X509-SVID section 2), never by DNS names. The crypto
//! provider is aws-lc-rs and no other.

mod client;
mod connector;
mod error;
mod files;
#[cfg(test)]
pub(crate) mod fixtures;
mod identity;
mod peer_certificate;
mod provider;
mod server;
mod shown_chain;
#[cfg(test)]
mod tests;
mod verifier;
mod web;

pub use client::ClientTls;
pub use connector::{ConnectError, TlsConnection, TlsConnector};
pub use error::TlsError;
pub use files::{FileStamps, TlsFiles, TlsFilesError};
pub use identity::{TlsIdentity, Validity};
pub use peer_certificate::PeerCertificate;
pub use provider::install_provider;
pub(crate) use provider::provider;
pub use server::{ACME_TLS, ServerTls, Terminated};
pub use shown_chain::ShownChain;
pub use verifier::WrongServer;
pub use web::{WebAlpn, WebConnection, WebTls, system_roots};
