//! Certificates as every authority of the cluster makes them (RFC 5280, X509-SVID sections 2 to 4).
//!
//! An authority is self-signed, of P-256, names its trust domain and has a path of length 0. A leaf names
//! one SPIFFE ID and nothing else, and says itself that it is none. From a request comes the public key
//! alone: an identity in it is a wish, not a fact (Cure53 SPI-01-004).

mod error;
mod make;
mod request;

pub use error::CertificateError;
pub use make::Certificate;
pub(crate) use make::{
    LeafForm, NewAuthority, hex, is_certificate_of, make_authority, make_leaf, new_key,
    random_serial,
};
pub(crate) use request::requested_key;
