//! Delegation: what a sandbox does on a user's behalf (RFC 8693 section 1.1, in two stages).
//!
//! A provider holds a user's token. A sandbox never sees it: the coordinator has it readdressed to the sandbox's SPIFFE
//! ID, and its runner exchanges that for the token of a request, showing the sandbox's own assertion. Who asks is proved
//! twice: the runner by its certificate, for sandboxes placed on it at that moment; the sandbox by a JWT-SVID that was
//! minted for exactly it, there, and for the same token service. A user's token is sent to the token service that its
//! profile named when it was handed over and to no other, whatever the profile says since.
//!
//! Pure: the token service is asked at the edge, which is given a [`Delegation`] and hands back what came of it.

mod ask;
mod delegated;
mod error;
mod found;

pub use ask::SubjectAsk;
pub use delegated::{Delegated, Delegation, DelegationKey, Renewal, Renewed};
pub use error::DelegationError;
pub(crate) use found::Found;
