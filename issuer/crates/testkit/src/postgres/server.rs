//! A server in a directory of its own, on a socket there and on a port of loopback.

#![expect(clippy::missing_panics_doc, reason = "a server that does not start fails the test")]
#![expect(clippy::expect_used, reason = "a server that does not start fails the test")]
#![expect(clippy::panic, reason = "a server that does not start fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// Under whom a server runs where the test is root.
const USER: &str = "postgres";

/// Ends the server and removes its directory when the test's process is gone, however it ended.
const GUARD: &str =
    "trap '' INT TERM HUP; read -r nothing; \"$@\" stop >/dev/null 2>&1; rm -rf \"$0\"";

/// A server.
#[derive(Debug)]
pub struct PostgresServer {
    guard: Child,
    /// Kept: the guard removes it.
    directory: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// A new one, as safe as PostgreSQL is by default.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A new one with settings of its own.
    #[must_use]
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let server = Self::in_new_directory();
        let data = server.data();
        let made = server
            .as_user("initdb")
            .args(["-A", "trust", "-U", USER, "--no-sync", "-D"])
            .arg(&data)
            .output();
        check("initdb", made);
        server.set(settings);
        server.start_again();
        server
    }

    /// One that all tests of a process share, each with a database of its own. It does not wait for the disk.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::start_with(&[
                ("fsync", "off"),
                ("max_connections", "400"),
                ("shared_buffers", "32MB"),
            ])
        })
    }

    /// A standby that follows this one.
    #[must_use]
    pub fn standby(&self) -> Self {
        let standby = Self::in_new_directory();
        let copied = standby
            .as_user("pg_basebackup")
            .args(["-U", USER, "-h"])
            .arg(&self.directory)
            .args(["-p", &self.port.to_string(), "-R", "-X", "stream", "-c", "fast", "-D"])
            .arg(standby.data())
            .output();
        check("pg_basebackup", copied);
        standby.set(&[]);
        standby.start_again();
        standby
    }

    /// A new database, by its name.
    #[must_use]
    pub fn create_database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("store_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        name
    }

    /// How a database is reached over the server's socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let directory = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{directory}:{}/{database}", self.port)
    }

    /// Where it listens on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a statement, and tells what it answers.
    #[expect(clippy::must_use_candidate, reason = "many statements answer nothing")]
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let asked = program("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-h"])
            .arg(&self.directory)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", statement])
            .output();
        check(statement, asked).trim().to_owned()
    }

    /// Puts settings into its configuration; they count from the next start on.
    pub fn set(&self, settings: &[(&str, &str)]) {
        let file = self.data().join("postgresql.auto.conf");
        let mut text = fs::read_to_string(&file).unwrap_or_default();
        let own = [
            ("unix_socket_directories", self.directory.display().to_string()),
            ("port", self.port.to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
        ];
        for (name, value) in
            own.iter().map(|(name, value)| (*name, value.as_str())).chain(settings.iter().copied())
        {
            writeln!(text, "{name} = '{value}'").expect("a String takes everything");
        }
        fs::write(&file, text).expect("its configuration can be written");
    }

    /// Puts a file beside its data that only it may read.
    pub fn put_file(&self, name: &str, contents: &str) {
        let path = self.data().join(name);
        fs::write(&path, contents).expect("a file can be written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("modes can be set");
        give(&path);
    }

    /// Ends it as a crash does: no checkpoint, every connection cut.
    pub fn crash(&self) {
        check("pg_ctl stop", self.control().args(["-m", "immediate", "stop"]).output());
    }

    /// Starts it on the same data, at the same place.
    pub fn start_again(&self) {
        let log = self.directory.join("log");
        let mut start = self.control();
        start.arg("-l").arg(&log).args(["-t", "60", "start"]);
        let silent = start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let outcome = silent.status();
        let fine = outcome.expect("pg_ctl runs").success();
        assert!(
            fine,
            "PostgreSQL does not start: {}",
            fs::read_to_string(&log).unwrap_or_default()
        );
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        check("pg_ctl promote", self.control().arg("promote").output());
    }

    /// Stops all its processes until the value that is returned is dropped: it hangs, and refuses nothing.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let postmaster = text.lines().next().expect("a process id").to_owned();
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = fs::read_to_string(children).expect("Linux tells of children");
        let all = std::iter::once(postmaster.as_str()).chain(children.split_whitespace());
        let frozen = Frozen(all.map(str::to_owned).collect());
        frozen.signal("-STOP");
        frozen
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn in_new_directory() -> Self {
        let directory = TempDir::with_prefix("moneyer-pg-").expect("a temporary directory").keep();
        give(&directory);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let mut stop = Command::new("sh");
        stop.args(["-c", GUARD]).arg(&directory).args(as_user("pg_ctl"));
        stop.arg("-D").arg(directory.join("data")).args(["-m", "immediate"]);
        let guard = stop.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { guard: guard.expect("a shell runs"), directory, port }
    }

    fn as_user(&self, name: &str) -> Command {
        let mut words = as_user(name).into_iter();
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).current_dir(&self.directory);
        command
    }

    fn control(&self) -> Command {
        let mut command = self.as_user("pg_ctl");
        command.arg("-w").arg("-D").arg(self.data());
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

/// The processes of a server that stand still.
#[derive(Debug)]
pub struct Frozen(Vec<String>);

impl Frozen {
    fn signal(&self, signal: &str) {
        // One that ended meanwhile is no matter.
        let sent = Command::new("kill").arg(signal).args(&self.0).stderr(Stdio::null()).status();
        sent.expect("kill runs");
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// A program of the newest PostgreSQL here.
fn program(name: &str) -> Command {
    Command::new(path(name))
}

fn path(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered = |entry: fs::DirEntry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path().join("bin").join(name))).filter(|(_, path)| path.exists())
    };
    let newest = versions.filter_map(numbered).max();
    newest.unwrap_or_else(|| panic!("PostgreSQL is not installed: run .ci/packages postgresql")).1
}

/// The words of a command that the server's user runs.
pub(super) fn as_user_of(program: &Path) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if user().is_some() {
        let who = [format!("--reuid={USER}"), format!("--regid={USER}")];
        words.push("setpriv".to_owned());
        words.extend(who);
        words.push("--clear-groups".to_owned());
    }
    words.push(program.display().to_string());
    words
}

fn as_user(name: &str) -> Vec<String> {
    as_user_of(&path(name))
}

/// The ids of the server's user, where the test is root and may be anybody.
fn user() -> Option<(u32, u32)> {
    let own = fs::metadata("/proc/self").expect("Linux tells of this process");
    if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let line = users.lines().find(|line| line.starts_with(&format!("{USER}:")));
    let line = line.expect("PostgreSQL's user is there: run .ci/packages postgresql");
    let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
    Some((ids.next().expect("a user id"), ids.next().expect("a group id")))
}

/// Gives a file to the server's user.
pub(super) fn give(path: &Path) {
    if let Some((user, group)) = user() {
        chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

fn check(what: &str, outcome: std::io::Result<std::process::Output>) -> String {
    let output = outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
