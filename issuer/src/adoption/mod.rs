//! Taking over the identity of a cluster that ran the original system.
//!
//! [`LegacyServerDirectory`] reads its `server/` directory: the key that signs, the previous one, further
//! live ones and the issuers of before, and gives them as one proven value. It only reads: the directory
//! is as before, for a way back. A file that others can touch, a symbolic link, and a previous key that
//! is there but broken stop the adoption with the file's name, since a key left out makes tokens fail
//! that are valid today. What becomes of the keys is the authority's.

mod adopted;
mod directory;
mod error;
mod named_file;
mod recorded;
mod saved_key_set;
#[cfg(test)]
mod tests;

pub use adopted::{Adopted, AdoptedKey, Skipped};
pub use directory::{AdoptionTerms, LegacyServerDirectory};
pub use error::AdoptionError;
pub(crate) use named_file::read_named;
pub use recorded::{RecordError, RecordedIssuer};
pub use saved_key_set::SavedKeySet;
