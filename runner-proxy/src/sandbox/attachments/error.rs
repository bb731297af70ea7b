//! Why a sandbox is not attached or detached.

use std::io;

use moneyer_daemon::listener::BindError;
use moneyer_identity::{ErrorClass, ProfileName, SandboxId};

use super::super::roster::RosterError;
use super::super::secret::SecretError;

/// Why a sandbox is not attached or detached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// The coordinator does not place it here, or there is no such sandbox.
    #[error(
        "the coordinator has not placed {0} on this runner; register it first, with this host as its runner: moneyer sandbox put"
    )]
    NotPlaced(SandboxId),
    /// The coordinator is away, and when last heard it had not placed the sandbox here.
    #[error(
        "the coordinator cannot be reached, and {0} was not placed on this runner when it last was; try again when it is back"
    )]
    CoordinatorAway(SandboxId),
    /// The coordinator knows of it, and this runner not yet for certain which app it is an instance of.
    #[error(
        "the placement of {0} has only just changed and is not settled on this runner yet; try again in a moment"
    )]
    Unsettled(SandboxId),
    /// A profile that the coordinator does not name for the sandbox.
    #[error("there is no audience profile {unknown} for this sandbox; there is: {known}")]
    UnknownProfile {
        /// What was asked for.
        unknown: ProfileName,
        /// What there is, as a list for people.
        known: String,
    },
    /// No secret could be made.
    #[error("no secret could be made")]
    Secret(#[source] SecretError),
    /// The roster could not be written.
    #[error("the roster could not be written")]
    Roster(#[source] RosterError),
    /// The directory could not be made, filled or removed.
    #[error("the sandbox's directory could not be made, filled or removed")]
    Directory(#[source] io::Error),
    /// The socket could not be opened.
    #[error("the sandbox's socket could not be opened")]
    Socket(#[source] BindError),
    /// The task that made the change panicked.
    #[error(
        "the change was cut off; the log says why, and detaching the sandbox clears what is left"
    )]
    Interrupted,
}

impl AttachError {
    /// What kind of failure.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::NotPlaced(_) => ErrorClass::NotFound,
            Self::CoordinatorAway(_) | Self::Unsettled(_) => ErrorClass::Unavailable,
            Self::UnknownProfile { .. } => ErrorClass::Invalid,
            Self::Secret(_)
            | Self::Roster(_)
            | Self::Directory(_)
            | Self::Socket(_)
            | Self::Interrupted => ErrorClass::Internal,
        }
    }
}
