//! What a record looks like, whatever keeps it.
//!
//! A value is sealed where its collection holds secrets (`sealing`) and stands in an envelope with its revision
//! and a checksum (`envelope`) under a key made of its collection and id (`key`). The store's head adds all
//! records up (`head`), authenticated by what makes the store this one and no other (`identity`). Backends
//! share these bytes, so that a record is as safe from whoever reads or writes the one as the other.

mod envelope;
mod head;
mod identity;
mod key;
mod sealing;

pub(crate) use envelope::Envelope;
pub(crate) use head::{Head, SetHash};
pub(crate) use identity::{Identity, IdentityError, newer_format};
pub use identity::{Incarnation, Sealing};
pub(crate) use key::{HEAD, collection_byte, record_key, record_of, shown};
pub(crate) use sealing::{disclose, enclose};
