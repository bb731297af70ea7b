//! `PgBouncer` in its transaction mode, in front of a server.

#![expect(clippy::missing_panics_doc, reason = "a pooler that does not start fails the test")]
#![expect(clippy::expect_used, reason = "a pooler that does not start fails the test")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::PostgresServer;
use super::server::{as_user_of, give};

/// How long it may take to listen.
const STARTS_WITHIN: u32 = 100;

/// Ends it and removes its directory when the test's process is gone, however it ended.
const GUARD: &str = "trap '' INT TERM HUP; \"$@\" & read -r nothing; kill $!; wait; rm -rf \"$0\"";

/// A pooler that gives each transaction to any of few connections.
#[derive(Debug)]
pub struct PgBouncer {
    guard: Child,
    port: u16,
}

impl PgBouncer {
    /// In front of all databases of a server.
    #[must_use]
    pub fn before(server: &PostgresServer) -> Self {
        let program = Path::new("/usr/sbin/pgbouncer");
        assert!(program.exists(), "PgBouncer is not installed: run .ci/packages pgbouncer");
        let directory = TempDir::with_prefix("moneyer-pgb-").expect("a temporary directory").keep();
        give(&directory);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 20\n\
             server_round_robin = 1\nmax_client_conn = 1000\nunix_socket_dir =\nlogfile = {}/log\n",
            server.port(),
            directory.display()
        );
        let file = directory.join("pgbouncer.ini");
        fs::write(&file, settings).expect("its configuration can be written");
        let mut command = Command::new("sh");
        command.args(["-c", GUARD]).arg(&directory).args(as_user_of(program)).arg("-q").arg(&file);
        let guard =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let bouncer = Self { guard: guard.expect("a shell runs"), port };
        bouncer.wait();
        bouncer
    }

    /// One that all tests of a process share, before the server that they share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PgBouncer> = OnceLock::new();
        SHARED.get_or_init(|| Self::before(PostgresServer::shared()))
    }

    /// How a database is reached through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    fn wait(&self) {
        let listens = |_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        };
        assert!((0..STARTS_WITHIN).any(listens), "PgBouncer does not listen");
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}
