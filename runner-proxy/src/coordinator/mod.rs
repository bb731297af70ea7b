//! The coordinator, seen from a runner host.
//!
//! How this host joins and stays a member, the one connection, the tokens that come over it, and
//! what the coordinator says of this host's sandboxes, kept while it is away. The runner holds no
//! signing key: whoever takes this host gets what its sandboxes could get, and nothing else.

mod certificate;
mod client;
mod convert;
mod enrollment;
mod join_token;
mod link;
mod membership;
mod placement;
mod status;
mod watch;

pub(crate) use certificate::CertificateHealth;
pub(crate) use client::CoordinatorClient;
pub use enrollment::JoinError;
pub(crate) use enrollment::{join, keep_renewed};
pub use join_token::JoinTokenError;
pub(crate) use join_token::{JoinToken, MAXIMUM_JOIN_TOKEN_BYTES};
pub(crate) use link::Link;
pub(crate) use membership::Member;
pub use membership::MembershipError;
pub use placement::PlacementError;
pub(crate) use placement::{KnownPlacement, PlacedSandbox, PlacementChange, Profile};
pub(crate) use watch::Watch;
