//! Why a copy is not written or not read.

use std::io;
use std::path::PathBuf;

use moneyer_daemon::file::ReadSecretError;
use moneyer_daemon::outbound::OutboundError;
use moneyer_identity::{ErrorClass, IssuerUrl, KeySetError};

/// Why copies cannot be made with this configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetUpError {
    /// A file with roots cannot be read.
    #[error("publish.roots: {path} cannot be read")]
    Roots {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is no client to ask with.
    #[error("publish.roots: there is a file that holds no certificates")]
    Client(#[source] OutboundError),
    /// The bucket has no address.
    #[error("publish.bucket: the endpoint and the name give no address")]
    Bucket(#[source] rusty_s3::BucketError),
}

/// Why a document is not where it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The directory is not there. It is not made: it may be a file system that is not mounted.
    #[error("{0} is not a directory; make it, or mount what belongs there")]
    NoDirectory(PathBuf),
    /// A file cannot be written.
    #[error("{path} cannot be written")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(ReadSecretError),
    /// A secret is no text that fits where it is sent.
    #[error("{0} must hold one line of printable characters")]
    SecretForm(PathBuf),
    /// A server did not take a document.
    #[error("{name} was not taken")]
    Put {
        name: String,
        #[source]
        source: OutboundError,
    },
    /// It took too long.
    #[error("not everything was written within {} s; does it answer?", .0.as_secs())]
    Slow(std::time::Duration),
    /// The task that writes ended early.
    #[error("the copy was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Why what relying parties read does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// A document cannot be had.
    #[error("{url} cannot be read")]
    Fetch {
        url: String,
        #[source]
        source: OutboundError,
    },
    /// It is shown as something else than JSON.
    #[error("{url} is shown as {found}, and relying parties take application/json alone")]
    MediaType { url: String, found: String },
    /// What is there is no provider metadata.
    #[error("{url} is no discovery document")]
    Metadata {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    /// It is the document of another issuer, or an old one.
    #[error(
        "{url} is the document of {found}, and tokens name {issuer}: copy this issuer's documents \
         there"
    )]
    Issuer { url: String, found: String, issuer: IssuerUrl },
    /// It leads to another key set.
    #[error("{url} leads to the key set {found}, and it is at {expected}: copy it anew")]
    KeySetUri { url: String, found: String, expected: String },
    /// What is there is no key set.
    #[error("{url} is no key set")]
    KeySet {
        url: String,
        #[source]
        source: KeySetError,
    },
}

impl LookError {
    /// Whether relying parties may well be served what they should be, and only this daemon cannot see it: no
    /// answer came, or one of a server that is not well. A page that is not there is an answer.
    pub(super) fn says_nothing(&self) -> bool {
        match self {
            Self::Fetch { source: OutboundError::Status(status), .. } => status.is_server_error(),
            Self::Fetch { source, .. } => {
                !matches!(source, OutboundError::Redirect(_) | OutboundError::TooLong(_))
            }
            _ => false,
        }
    }
}

/// Nothing is published from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no copies are configured: set publish.directory, publish.bucket or publish.server, and restart"
)]
pub(crate) struct NoTarget;

impl NoTarget {
    /// The kind of failure.
    pub(crate) const CLASS: ErrorClass = ErrorClass::Conflict;
}
