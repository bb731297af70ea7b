//! Following what other coordinators change, where several share a store.
//!
//! Each answers from its own memory, so each takes in what the others changed, in the order in which it was stored,
//! and says how far it has come. A key signs only when every coordinator that serves has said that it publishes it. A
//! coordinator that has heard nothing of the store for as long as the others wait for it stands apart: it mints and
//! changes nothing until it follows again, and goes on serving what relying parties need.
//!
//! A store that one coordinator has to itself is not followed, and none of this costs it anything.

mod confirmations;
mod error;
mod round;
mod standing;
mod unreadable;

pub(crate) use confirmations::Confirmations;
pub use error::FollowError;
pub(crate) use round::{At, Next, Rounds};
pub(crate) use standing::{Standing, removed_by};
pub(crate) use unreadable::Unreadable;
