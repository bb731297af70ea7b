//! `PgBouncer` in its transaction mode, in front of a server.

#![expect(clippy::missing_panics_doc, reason = "a pooler that does not start fails the test")]
#![expect(clippy::expect_used, reason = "a pooler that does not start fails the test")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::PostgresServer;
use super::server::{as_user_of, give};

/// How long it may take to listen.
const STARTS_WITHIN: u32 = 100;

/// A pooler that gives each transaction to any of few connections.
#[derive(Debug)]
pub struct PgBouncer {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl PgBouncer {
    /// In front of all databases of a server.
    #[must_use]
    pub fn before(server: &PostgresServer) -> Self {
        let program = Path::new("/usr/sbin/pgbouncer");
        assert!(program.exists(), "PgBouncer is not installed: run .ci/packages pgbouncer");
        let directory = TempDir::with_prefix("moneyer-pgb-").expect("a temporary directory");
        give(directory.path());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n\
             server_round_robin = 1\nunix_socket_dir =\nlogfile = {}/log\n",
            server.port(),
            directory.path().display()
        );
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, settings).expect("its configuration can be written");
        let mut words = as_user_of(program).into_iter();
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).arg("-q").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("PgBouncer runs");
        let bouncer = Self { process, port, _directory: directory };
        bouncer.wait();
        bouncer
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
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
