//! What attachments are made with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::lifecycle::Shutdown;

use super::super::credentials::Credentials;
use super::socket::SandboxSocket;
use crate::coordinator::{KnownPlacement, Link};
use crate::forward::TrustFiles;
use crate::grant::TokenCache;
use crate::token::{TokenFiles, TokenSource};

/// The forward proxy, as a sandbox finds it.
pub(crate) struct ForwardDoor {
    /// Its host and port.
    pub(crate) address: String,
    /// The files by which it is trusted.
    pub(crate) trust: TrustFiles,
    /// The tokens that go with a sandbox.
    pub(crate) tokens: TokenCache,
}

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
    /// How sandboxes with grants reach and trust the forward proxy, where there is one.
    pub(crate) forward: Option<ForwardDoor>,
    /// What each sandbox finds in its directory.
    pub(crate) sockets: Vec<SandboxSocket>,
    pub(crate) shutdown: Shutdown,
}
