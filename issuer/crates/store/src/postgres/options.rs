//! How a store in a database is opened.

use std::path::PathBuf;
use std::time::Duration;

use moneyer_authority::store::Generation;

use super::url::DatabaseUrl;
use crate::record::Sealing;

/// How a store in a database is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Where it is.
    pub url: DatabaseUrl,
    /// The certificates that a server's certificate may come from. `None`: the public ones alone.
    pub ca_file: Option<PathBuf>,
    /// Whether a URL without TLS may name another machine.
    pub plain_allowed: bool,
    /// Connections at a time that read or write; at least 2, 4 by default. Word of changes and turns have one of
    /// their own each.
    pub connections: u32,
    /// How long a server may take to let this process in, 3 s by default.
    pub connect_timeout: Duration,
    /// How long an answer may take, 5 s by default.
    pub timeout: Duration,
    /// How often the head is asked, for word can be lost. 1 s by default.
    pub poll_every: Duration,
    /// Whether a commit counts only when the synchronous standbys show it.
    pub remote_apply: bool,
    /// How long it is remembered what was removed, 24 h by default. Who followed nothing for longer starts anew.
    pub remember: Duration,
    /// How many changes are told at once of a long time, at least one; 1,000 by default. A commit is never told in two
    /// pieces.
    pub told_at_once: usize,
    /// Under which name the others know this coordinator, the same after a restart. `None`: one that nobody has.
    pub replica: Option<String>,
    /// How secrets are sealed. `None`: not at all, which is for tests that look for them.
    pub sealing: Option<Sealing>,
    /// Opens a store that lacks what it acknowledged, if this is the generation it has come to.
    pub accept_loss: Option<Generation>,
}

impl PostgresOptions {
    /// The store at this place, everything else as it is by default.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            ca_file: None,
            plain_allowed: false,
            connections: 4,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(5),
            poll_every: Duration::from_secs(1),
            remote_apply: false,
            remember: Duration::from_secs(24 * 3600),
            told_at_once: 1000,
            replica: None,
            sealing: None,
            accept_loss: None,
        }
    }
}
