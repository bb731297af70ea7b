//! The sandboxes of this host: which are attached, and what each was given.
//!
//! Attaching gives a sandbox a directory, a secret, token files and a socket; detaching takes all
//! of it away for good. The sandbox is hostile: it proves who it is by its socket or its secret,
//! and nothing else it says is believed.

mod attachments;
mod credentials;
mod directory;
mod environment;
mod roster;
mod sdk;
mod secret;
mod stay;

pub(crate) use attachments::{
    AttachError, Attachments, ForwardDoor, Listed, SandboxSocket, Workshop,
};
pub(crate) use credentials::{AuthenticatedSandbox, Credentials};
pub(crate) use directory::{SandboxDirectory, TokenFileName};
#[cfg(test)]
pub(crate) use environment::{AUTHORITY_FILE, BUNDLE_FILE, Environment, Surroundings};
pub(crate) use roster::Roster;
pub use roster::RosterError;
pub(crate) use sdk::Sdk;
pub(crate) use secret::SandboxSecret;
pub use secret::SecretError;
pub(crate) use stay::{Ending, Stay};
