//! Public keys: JSON Web Keys (RFC 7517, RFC 8037), their thumbprints (RFC 7638) and key sets.
//!
//! A key carries its algorithm; a token's header can only agree with it (RFC 8725 section 3.1). A key
//! id is the thumbprint of the key, so one key has one id in every document. Private members are
//! never parsed into a key: a set that holds them is refused as a whole, since its issuer has leaked.

mod certificate;
mod jwk;
mod key_id;
mod key_set;
mod pem;
mod verifying_key;

pub use certificate::{KeyCertificate, KeyCertificateError, UnsignedCertificate};
pub use jwk::Jwk;
pub use key_id::{KeyId, KeyIdError};
pub(crate) use key_set::PRIVATE_MEMBERS;
pub use key_set::{KeySet, KeySetError, MAXIMUM_KEY_SET_BYTES, MAXIMUM_KEYS};
pub(crate) use verifying_key::sound_rsa;
pub use verifying_key::{KeyError, VerifyingKey};
