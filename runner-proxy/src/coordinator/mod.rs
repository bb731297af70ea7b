//! The coordinator, seen from a runner host.
mod placement;
pub(crate) use placement::{IssuerFacts, KnownPlacement, PlacedSandbox, Placement, PlacementChange, PlacementError, Profile};
