//! Private and public keys that were made elsewhere.
//!
//! [`ImportedKey::parse`] and [`ImportedPublicKey::parse`] take the bytes of one file, PEM (RFC 7468) or
//! DER: PKCS#8 (RFC 5958) and `SubjectPublicKeyInfo` (RFC 5280) of RSA, P-256 and Ed25519, PKCS#1 (RFC
//! 8017), SEC1 (RFC 5915), and OpenSSH for Ed25519. What comes out is a proven pair in the form the local
//! signer keeps. A file holds one key; what is encrypted, ambiguous, damaged, too weak or in contradiction with
//! itself is refused and never repaired, and no error repeats a byte of the file. Nothing here signs: the
//! `rsa` crate takes RSA keys apart and checks them, once, on an operator's order (RUSTSEC-2023-0071).

mod ed25519;
mod encoding;
mod error;
mod key;
mod openssh;
mod p256;
mod pem;
mod rsa;

pub use error::ImportError;
pub use key::{ImportedKey, ImportedPublicKey, MAXIMUM_KEY_FILE_BYTES};
