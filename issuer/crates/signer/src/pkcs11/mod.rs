//! Keys in a hardware security module, through its PKCS#11 library (PKCS #11 version 2.40 and later).
//!
//! Keys are made in the module, sensitive and not extractable, and go by the thumbprint of their public half
//! as `CKA_ID`. RS256 is `CKM_SHA256_RSA_PKCS`; ES256 is `CKM_ECDSA` over a digest that is made here. Calls of
//! such a library block, so they are made by a bounded pool of threads, each with a session of its own. A
//! session that was lost is opened anew once, with its log-in; a PIN that was refused is not tried again until
//! its file holds another, since a few wrong ones lock the token. Each signature is verified here before it
//! leaves.

mod device;
mod error;
mod objects;
mod signer;

pub use device::{Pkcs11Options, TokenChoice};
pub use error::Pkcs11Error;
pub use signer::Pkcs11Signer;
