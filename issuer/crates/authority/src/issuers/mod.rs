//! The issuers of a cluster: the one tokens name now, and the previous ones that live tokens still name.
//!
//! An issuer that was left goes on being served and verified until the last token under it is dead. There
//! is a list, not a slot: moving twice in a day loses nobody.

mod keeper;
mod list;
mod record;

pub(crate) use keeper::LONGEST_FOREIGN_LIFETIME;
pub use keeper::{Issuers, IssuersError};
pub use list::{IssuerList, PreviousIssuer};
pub use record::IssuerRecord;
