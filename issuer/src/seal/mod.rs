//! Where the key-encryption keys come from - files, age files and systemd credentials - and how they are
//! recovered.
//!
//! A key is read once, at start, from outside the directory it protects. Refused: a file that others
//! may read, that somebody else owns or could replace, a symbolic link, a key of the wrong length or of
//! zeros, the same key twice, and whatever needs a person at the start. A key that is missing is never
//! made: data may need the one that is lost. Every refusal says what to do.

mod encrypted;
mod error;
mod form;
mod identities;
mod make;
mod place;
mod recipient;
mod recover;
mod source;
#[cfg(test)]
mod tests;

pub use encrypted::AgeFileError;
pub use error::SealKeyError;
pub use identities::IdentityFileError;
pub(crate) use make::make_key_file;
pub(crate) use recipient::Recovery;
pub(crate) use recover::{RecoverKeyError, Recovered, configured_place, recover};
pub use source::seals;
