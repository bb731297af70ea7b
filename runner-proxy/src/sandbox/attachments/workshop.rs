//! What attachments are made with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::Limits;

use crate::coordinator::{KnownPlacement, Link};
use crate::token::TokenFiles;
use crate::token::server::TokenServer;

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
    /// Of each sandbox's socket.
    pub(crate) limits: Limits,
    pub(crate) link: Arc<Link>,
    pub(crate) placement: Arc<KnownPlacement>,
    pub(crate) files: Arc<TokenFiles>,
    pub(crate) server: TokenServer,
    pub(crate) shutdown: Shutdown,
}
