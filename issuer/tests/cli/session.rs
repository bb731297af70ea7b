//! A terminal, and what is at hand in it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use moneyer::App;
use moneyer::config::Config;
use moneyer_authority::enrollment::{LocalPeer, Principal};
use moneyer_daemon::settings::Source;
use moneyer_identity::{RunnerId, SystemClock};
use moneyer_testkit::postgres::PostgresServer;
use moneyer_testkit::{FixtureKey, MemberRequest};
use tempfile::TempDir;
use tokio::process::Command;

use crate::command_line::CommandLine;
use crate::transcript::Step;

/// A command that neither prints nor ends in this time hangs.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) struct Session {
    directory: TempDir,
    /// Holds the port that is taken.
    taken: TcpListener,
    coordinator: Option<App>,
}

impl Session {
    pub(crate) fn begin() -> Self {
        moneyer_daemon::tls::install_provider();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        make_seal_key(directory.path());
        Self { directory, taken, coordinator: None }
    }

    pub(crate) async fn end(self) {
        if let Some(coordinator) = self.coordinator {
            coordinator.stop().await;
        }
    }

    /// Runs a command and gives what it printed.
    pub(crate) async fn run(&mut self, step: &Step) -> String {
        let line = CommandLine::parse(&self.fill(&step.command));
        let words: Vec<_> = line.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["moneyer", arguments @ ..] => self.moneyer(&line, arguments).await,
            ["write", file] => {
                std::fs::write(self.path(file), self.fill(&step.input)).unwrap();
                String::new()
            }
            ["fixture", name, file] => {
                fixture(name, &self.path(file));
                String::new()
            }
            ["database", file] => {
                self.make_database(file);
                String::new()
            }
            ["coordinator"] => {
                let source = Source::read(&self.path("moneyer.toml"), "MONEYER").unwrap();
                let (config, charter) = Config::load(&source).unwrap();
                let started = App::start(&config, charter, Arc::new(SystemClock)).await;
                self.coordinator = Some(started.unwrap());
                String::new()
            }
            ["stop"] => {
                self.coordinator.take().unwrap().stop().await;
                String::new()
            }
            ["join", name] => {
                self.join(name).await;
                String::new()
            }
            other => panic!("no such command: {other:?}"),
        }
    }

    async fn moneyer(&self, line: &CommandLine, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moneyer"));
        let input = line.input.as_ref().map(|file| std::fs::File::open(self.path(file)).unwrap());
        command
            .args(arguments)
            .env_clear()
            .envs(line.variables.iter().cloned())
            .current_dir(self.directory.path())
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .kill_on_drop(true);
        let output = tokio::time::timeout(LONGEST, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
        let mut printed = self.without_names(&output.stdout);
        if let Some(lines) = line.head {
            printed = printed.split_inclusive('\n').take(lines).collect();
        }
        printed.push_str(&self.without_names(&output.stderr));
        if output.status.success() && arguments.contains(&"json") && line.head.is_none() {
            serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON");
        }
        match output.status.code() {
            Some(0) => printed,
            code => format!("{printed}[exit {}]\n", code.unwrap_or(-1)),
        }
    }

    /// A new database of a real server, by a file with its URL.
    fn make_database(&self, file: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let server = PostgresServer::shared();
        let path = self.path(file);
        std::fs::write(&path, server.url(&server.create_database())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    async fn join(&self, name: &str) {
        let authority = self.coordinator.as_ref().unwrap().authority();
        let operator = LocalPeer { uid: 0 }.authenticate(0, &[]).unwrap();
        let (desk, now) = (authority.enrollment(), authority.now());
        let runner = Principal::Runner(RunnerId::parse(name).unwrap());
        let token = desk.invite(&operator, runner, LONGEST, now).await.unwrap();
        desk.join(token.expose(), MemberRequest::p256().der, now).await.unwrap();
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.directory.path().join(Path::new(file))
    }

    fn port(&self) -> String {
        self.taken.local_addr().unwrap().port().to_string()
    }

    fn fill(&self, text: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        text.replace("@DIR@", directory).replace("@PORT@", &self.port())
    }

    fn without_names(&self, printed: &[u8]) -> String {
        let directory = self.directory.path().to_str().unwrap();
        let text = String::from_utf8_lossy(printed).replace(directory, "@DIR@");
        text.replace(&format!("127.0.0.1:{}", self.port()), "127.0.0.1:@PORT@")
    }
}

/// A private key of the fixtures, in a file and a directory of its owner's alone.
fn fixture(name: &str, file: &Path) {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let keys = FixtureKey::MADE.into_iter().chain(FixtureKey::ADOPTED);
    let key = keys.into_iter().find(|key| key.name == name).unwrap();
    let folder = file.parent().unwrap();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).unwrap();
    std::fs::write(file, key.pem()).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A key to seal with, in `seal.key`, as an operator makes one.
pub(crate) fn make_seal_key(directory: &Path) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(directory.join("seal.key"));
    file.unwrap().write_all(&[7; 32]).unwrap();
}
