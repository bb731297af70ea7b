//! `[store]`: where records are kept.

use std::path::PathBuf;

use moneyer_daemon::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fewest connections: one that writes and one that reads.
pub(super) const MINIMUM_CONNECTIONS: u32 = 2;

/// Most connections: PostgreSQL gives 100 to all by default.
pub(super) const MAXIMUM_CONNECTIONS: u32 = 64;

/// Shortest wait for a database: less refuses one that is well.
pub(super) const MINIMUM_WAIT: Span = Span::from_millis(100);

/// What keeps the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreBackend {
    /// A directory of this machine, for one coordinator.
    #[default]
    Sled,
    /// A PostgreSQL database, for several.
    Postgres,
}

/// Where records are kept: in an embedded store that one coordinator owns, or in a database that several share.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// What keeps the records: `"sled"` in `store.path`, or `"postgres"` at `store.url_file`. Default: `sled`.
    pub backend: StoreBackend,
    /// A directory of this coordinator's own, made with mode 0700: the store itself with `"sled"`, and with
    /// either the latest time seen and the recovery copy. Default: `/var/lib/moneyer/store`.
    pub path: PathBuf,
    /// A file with the database's URL, that only its owner and a group may read,
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Several hosts, `HOST:PORT,HOST:PORT`, are tried for the one
    /// that may be written. Required with `"postgres"`, and for `moneyer store copy`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// A PEM file with the authorities that a server's certificate may come from, beside the public ones.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Let `sslmode=disable` in the URL name other machines: whoever is on the network between reads and
    /// changes everything that is not sealed. Default: `false`.
    pub insecure_plain: bool,
    /// Connections to the database at a time that read or write, from 2 to 64; word of changes, turns and new
    /// connections come on top. Default: 4.
    pub connections: u32,
    /// How long a server may take to let this coordinator in. Default: `3s`.
    pub connect_timeout: Span,
    /// How long the database may take for an answer; then the store is unavailable. Default: `5s`.
    pub timeout: Span,
    /// How often it is looked what others changed, beside word of it. Default: `1s`.
    pub poll_every: Span,
    /// Count a change only when the synchronous standbys show it too (`synchronous_commit = remote_apply`). It
    /// needs `synchronous_standby_names` on the server. Default: `false`.
    pub remote_apply: bool,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            backend: StoreBackend::Sled,
            path: "/var/lib/moneyer/store".into(),
            url_file: None,
            ca_file: None,
            insecure_plain: false,
            connections: 4,
            connect_timeout: Span::from_secs(3),
            timeout: Span::from_secs(5),
            poll_every: Span::from_secs(1),
            remote_apply: false,
        }
    }
}

impl StoreSection {
    /// What does not fit together.
    pub(super) fn check(&self, wrong: &mut impl FnMut(&str, String)) {
        if self.backend == StoreBackend::Postgres && self.url_file.is_none() {
            let message =
                "is needed with store.backend = \"postgres\": a file with the database's URL";
            wrong("store.url_file", message.to_owned());
        }
        if !(MINIMUM_CONNECTIONS..=MAXIMUM_CONNECTIONS).contains(&self.connections) {
            let message = format!("must be from {MINIMUM_CONNECTIONS} to {MAXIMUM_CONNECTIONS}");
            wrong("store.connections", message);
        }
        for (key, span) in [
            ("store.connect_timeout", self.connect_timeout),
            ("store.timeout", self.timeout),
            ("store.poll_every", self.poll_every),
        ] {
            if span < MINIMUM_WAIT {
                wrong(key, format!("must be at least {MINIMUM_WAIT}"));
            }
        }
    }
}
