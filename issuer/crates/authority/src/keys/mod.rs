//! Signing keys: their records, the ring they form, how they rotate, and what of it is published.
//!
//! The ring is an immutable snapshot: every change makes a new one, which is swapped in whole and read
//! without locks, so no reader ever sees half a rotation. A key is durable before it is in a ring, and
//! in the key set before it signs. What is to be done when is a pure function of the records, the
//! schedule and the time ([`Rotation`]); [`Keys`] does it.

mod book;
mod certificate;
mod command;
mod error;
mod import;
mod in_force;
mod keeper;
mod line;
mod published;
mod record;
mod ring;
mod rotation;
mod schedule;
mod shelf;
mod sights;
mod told;

pub(crate) use book::end_of_withdrawn;
pub use command::{CommandError, KeyCommand};
pub use error::KeysError;
pub use import::{Import, ImportRefusal};
pub(crate) use in_force::{InForce, Known};
pub use keeper::{KeyPlan, Keys};
pub use line::{KeyKinds, Line};
pub use published::Published;
pub use record::{KeyRecord, KeyState, RingRecord};
pub use ring::{KeyRing, RingError, RingKey};
pub use rotation::{KeyTimes, Outlook, Rotation, Step, Waiting};
pub use schedule::{SKEW, Schedule, ScheduleError};
pub(crate) use shelf::{Shelf, ShelfDraft, Shelved, commit};
pub(crate) use sights::{Look, Mark};
