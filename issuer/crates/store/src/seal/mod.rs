//! Sealing at rest: how a private key looks on disk.
//!
//! A record that holds a secret is encrypted under a key-encryption key (KEK) that does not lie beside
//! it. One current KEK seals; any number of older ones still open, so that records can be sealed anew
//! while the coordinator runs. A sealed record is bound to its [`Place`]: under another name, in
//! another cluster or at another generation it does not open.
//!
//! Refused: a KEK of zeros, two KEKs that are the same, a record that some bit was changed in, and a
//! record whose KEK is not here - by the id of the one that is needed. Where KEKs come from, and who
//! keeps a recovery copy of them, is not this module's matter. The form is that of docs/decisions/0008-sealing.md.

mod encryption_key;
mod place;
mod recovery;
mod seals;
#[cfg(test)]
mod tests;

pub use encryption_key::{KekId, KeyEncryptionKey, ZeroKey};
pub use place::Place;
pub use recovery::{MAXIMUM_RECOVERY_BYTES, RecoveryCopy, RecoveryCopyError, RecoveryRecipient};
pub use seals::{SealError, Seals};
