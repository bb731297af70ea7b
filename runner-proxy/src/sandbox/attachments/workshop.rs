//! What attachments are made with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::lifecycle::Shutdown;

use super::super::credentials::Credentials;
use super::socket::SandboxSocket;
use crate::coordinator::{KnownPlacement, Link};
use crate::token::{TokenFiles, TokenSource};

/// What attachments are made with.
pub(crate) struct Workshop {
    /// The parent of the sandboxes' directories.
    pub(crate) directory: PathBuf,
    /// Where a sandbox sees its directory; `None` where the host has it.
    pub(crate) mount: Option<PathBuf>,
    /// What `MONEYER_TOKEN_URL` begins with.
    pub(crate) token_server_url: String,
    /// Renewals are spread over as long.
    pub(crate) jitter: Duration,
    pub(crate) link: Arc<Link>,
    pub(crate) placement: Arc<KnownPlacement>,
    pub(crate) files: Arc<TokenFiles>,
    /// Where tokens come from.
    pub(crate) source: TokenSource,
    /// Who may ask on TCP.
    pub(crate) credentials: Arc<Credentials>,
    /// What each sandbox finds in its directory.
    pub(crate) sockets: Vec<SandboxSocket>,
    pub(crate) shutdown: Shutdown,
}
