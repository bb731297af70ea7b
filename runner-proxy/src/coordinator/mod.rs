//! The coordinator, seen from a runner host.
//!
//! How this host joins and stays a member, the one connection, the tokens and SVIDs that come over it,
//! and what the coordinator says of this host's sandboxes and of trust bundles, kept while it is away. The runner holds no
//! signing key: whoever takes this host gets what its sandboxes could get, and nothing else.

mod bundle_watch;
mod bundles;
mod certificate;
mod client;
mod convert;
mod enrollment;
mod followers;
mod grants;
mod heard;
mod join_token;
mod link;
mod membership;
mod occupant;
mod placement;
mod status;
mod watch;

pub(crate) use bundle_watch::BundleWatch;
pub(crate) use bundles::{BundleView, Bundles, KnownBundles};
pub use bundles::{BundlesError, OwnBundleError};
#[cfg(test)]
pub(crate) use bundles::{ToldBundle, ToldBundles};
pub(crate) use certificate::CertificateHealth;
pub(crate) use client::CoordinatorClient;
pub use enrollment::JoinError;
pub(crate) use enrollment::{join, keep_renewed};
pub(crate) use followers::SvidFacts;
pub(crate) use heard::Heard;
pub use join_token::JoinTokenError;
pub(crate) use join_token::{JoinToken, MAXIMUM_JOIN_TOKEN_BYTES};
pub(crate) use link::Link;
pub(crate) use membership::Member;
pub use membership::MembershipError;
pub(crate) use occupant::Occupant;
pub use placement::PlacementError;
pub(crate) use placement::{KnownPlacement, PlacedSandbox, PlacementChange, Profile};
pub(crate) use watch::Watch;
