//! Who is there: apps, sandboxes and where they are placed.
//!
//! Records are written to the store first and held in memory after; the request path reads memory only.
//! A change is in force before it is acknowledged: from then on no other runner gets a token. A
//! [`Permit`] is made by looking at the placement of that moment, and minting takes nothing else.
//!
//! What a runner may not have and what does not exist are one refusal with one text.

mod app;
mod directory;
mod error;
mod following;
mod listing;
mod permit;
mod placement;
mod sandbox;
mod spiffe_ids;
mod stripes;
mod subscription;

pub use app::{App, AppChange, EndingChange};
pub use directory::Registry;
pub use error::RegistryError;
pub use listing::{Page, PageRequest};
pub use permit::{Permit, SystemPermit, SystemWorkload};
pub use sandbox::{Placed, PlacementNumber, Sandbox};
pub use spiffe_ids::SpiffeIds;
pub use subscription::{PlacementChange, Revoked, SandboxSubscription};
