//! Where the key-encryption keys come from: files and systemd credentials.
//!
//! A key is read once, at start, from outside the directory it protects. Refused: a file that others
//! may read, that somebody else owns or could replace, a symbolic link, a key of the wrong length or of
//! zeros, and the same key twice. A key that is missing is never made: data may need the one that is
//! lost. Every refusal says what to do.

mod make;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use make::make_key_file;
pub use source::{SealKeyError, seals};
