//! Finding the server that may be written, and getting in.
//!
//! The hosts are tried in their order, the last good one first, as libpq does with
//! `target_session_attrs=read-write`. TLS verifies the whole chain and the name. The environment's `PG…` variables
//! and `~/.pgpass` are no part of the configuration: what they could say is set here.

use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::failure::{Failure, within};
use super::options::PostgresOptions;
use super::url::Host;

/// The name under which an administrator sees this process.
const APPLICATION: &str = "moneyer";

/// The servers of a store.
#[derive(Debug)]
pub(super) struct Servers {
    options: PostgresOptions,
    last_good: AtomicUsize,
}

impl Servers {
    pub(super) fn new(options: PostgresOptions) -> Self {
        Self { options, last_good: AtomicUsize::new(0) }
    }

    pub(super) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// A connection to the first server that may be written.
    pub(super) async fn connect(&self) -> Result<PgConnection, Failure> {
        let hosts = &self.options.url.hosts;
        let first = self.last_good.load(Ordering::Relaxed);
        let order = std::iter::once(first).chain((0..hosts.len()).filter(|at| *at != first));
        let mut reasons = Vec::new();
        for at in order {
            let Some(host) = hosts.get(at) else { continue };
            match within(self.options.connect_timeout, self.enter(host)).await {
                Ok(Some(connection)) => {
                    self.last_good.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(None) => reasons.push(format!("{host}: it may not be written (a standby)")),
                Err(failure) => {
                    reasons.push(format!("{host}: {}", moneyer_identity::error_chain(&failure)));
                }
            }
        }
        Err(Failure::Unreachable(reasons.join("; ")))
    }

    /// How the last good server is reached.
    pub(super) fn last_good(&self) -> Option<PgConnectOptions> {
        let host = self.options.url.hosts.get(self.last_good.load(Ordering::Relaxed))?;
        Some(self.how(host))
    }

    async fn enter(&self, host: &Host) -> Result<Option<PgConnection>, Failure> {
        let mut connection = PgConnection::connect_with(&self.how(host)).await?;
        // In one message of the simple protocol: nothing of it outlives a transaction.
        let asked =
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
        let row = connection.fetch_one(sqlx::raw_sql(asked)).await?;
        let read_only: bool = row.try_get(0)?;
        Ok((!read_only).then_some(connection))
    }

    fn how(&self, host: &Host) -> PgConnectOptions {
        let url = &self.options.url;
        let how = PgConnectOptions::new_without_pgpass()
            .username(&url.user)
            .password(url.password.as_ref().map_or("", |password| password.expose_secret()))
            .database(&url.database)
            .application_name(APPLICATION)
            // A pooler lets in who asks for nothing that it does not know.
            .extra_float_digits(None)
            .disable_statement_logging();
        match host {
            Host::Socket(directory, port) => {
                how.socket(directory).port(*port).ssl_mode(PgSslMode::Disable)
            }
            Host::Tcp(name, port) => {
                let how = how.host(name).port(*port);
                match &self.options.ca_file {
                    _ if url.plain => how.ssl_mode(PgSslMode::Disable),
                    Some(file) => how.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(file),
                    None => how.ssl_mode(PgSslMode::VerifyFull),
                }
            }
        }
    }
}
