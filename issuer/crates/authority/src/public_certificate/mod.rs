//! What is kept and made for a certificate of the public listener that an ACME server (RFC 8555) issues.
//!
//! The record holds private keys, of the account and of the certificate, and is sealed as those of signing
//! keys are. Keys and requests are made here, where certificates are; the protocol is spoken elsewhere.

mod make;
mod record;

pub use make::{ChallengeCertificate, certificate_request, challenge_certificate, new_key};
pub use record::{IssuedCertificate, PendingOrder, PublicCertificateRecord};
