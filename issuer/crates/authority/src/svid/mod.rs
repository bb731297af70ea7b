//! X.509-SVIDs of sandboxes, and the authorities that sign them (X509-SVID).
//!
//! Another thing than the cluster's own authority, which its members pin: these authorities form a ring like
//! signing keys do, with the same states and the same [rotation](crate::keys::Rotation), under a schedule of
//! their own. Every one that is not withdrawn is in the trust bundle. An authority signs only after it was in
//! the bundle for `publish_before_use`, and leaves it only when every SVID it can have signed is dead.
//!
//! Served is what the coordinator's [own bundle](crate::trust_bundle) lists: an authority is in it a moment after it
//! is prepared, once the bundle's number is durable. Runners are handed the bundle by a stream; peers of other
//! trust domains ask for it as often as its refresh hint says. Whoever serves copies of it can say what those list
//! instead ([`X509Authorities::served`]).

mod book;
mod error;
mod keeper;
mod plan;
mod record;
mod ring;
mod sign;
mod told;

pub use error::SvidError;
pub use keeper::X509Authorities;
pub use plan::{RoundError, SvidLifetimeError, X509Plan};
pub use record::{X509AuthorityRecord, X509RingRecord};
pub use ring::{X509Authority, X509Ring};
pub use sign::X509Svid;
pub(crate) use sign::{Unsigned, draft, draft_over};
