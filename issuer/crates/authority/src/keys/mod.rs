//! Signing keys: their records, the ring they form, and what of it is published.
//!
//! The ring is an immutable snapshot: every change makes a new one, which is swapped in whole and read
//! without locks, so no reader ever sees half a rotation. A key is durable before it is in a ring, and
//! in the key set before it signs.

mod keeper;
mod published;
mod record;
mod ring;

pub use keeper::{Keys, KeysError};
pub use published::Published;
pub use record::{KeyRecord, KeyState};
pub use ring::{KeyRing, RingError, RingKey};
