//! A runner host: its directories, and a runner proxy while one runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::settings::Source;
use moneyer_identity::SystemClock;
use moneyer_proto::v1;
use moneyer_proto::v1::control_client::ControlClient;
use moneyer_runner_proxy::App;
use moneyer_runner_proxy::config::Config;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::coordinator::{Cluster, Running, TRUST_DOMAIN};

/// Longer than anything here may take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is true.
pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    while !check().await {
        assert!(tokio::time::Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) struct Host {
    directory: tempfile::TempDir,
    coordinator_port: u16,
}

impl Host {
    /// A host that has joined.
    pub(crate) async fn joined(cluster: &Cluster, coordinator: &Running) -> Self {
        let host = Self::new(coordinator.address.port());
        let joined = host.command(&["join"], &cluster.join_token()).await;
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
        host
    }

    pub(crate) fn new(coordinator_port: u16) -> Self {
        let host = Self { directory: tempfile::tempdir().unwrap(), coordinator_port };
        std::fs::write(host.config_file(), host.config_text()).unwrap();
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("runner-proxy.toml")
    }

    fn config_text(&self) -> String {
        format!(
            r#"
[coordinator]
address = "127.0.0.1:{}"
trust_domain = "{TRUST_DOMAIN}"
[runner]
state = "{}"
run = "{}"
[token_server]
listen = "127.0.0.1:0"
[tokens]
jitter = "100ms"
[operations]
listen = "127.0.0.1:0"
"#,
            self.coordinator_port,
            self.path("state").display(),
            self.path("run").display(),
        )
    }

    /// Runs the binary with `input` on its standard input.
    pub(crate) async fn command(&self, arguments: &[&str], input: &str) -> std::process::Output {
        use tokio::io::AsyncWriteExt as _;
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_moneyer-runner-proxy"))
            .arg("--config")
            .arg(self.config_file())
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that needs no input may have ended before it is written.
        stdin.write_all(input.as_bytes()).await.ok();
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap()
    }

    /// Starts a runner proxy in this process.
    pub(crate) fn start(&self) -> Proxy {
        self.start_with("")
    }

    /// The same with sections of its own.
    pub(crate) fn start_with(&self, sections: &str) -> Proxy {
        let text = format!("{}{sections}", self.config_text());
        let source = Source::from_parts("test.toml", &text, "MONEYER", &[]);
        let config = Config::load(&source).unwrap();
        let app = App::start(&config, Arc::new(SystemClock)).unwrap();
        Proxy { app, sandboxes: self.path("run/sandboxes") }
    }
}

/// A cluster, its coordinator, a host that has joined and a runner proxy on it, with `s-1` attached.
pub(crate) async fn with_one_sandbox() -> (Cluster, Running, Host, Proxy) {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    (cluster, coordinator, host, proxy)
}

pub(crate) struct Proxy {
    pub(crate) app: App,
    sandboxes: PathBuf,
}

impl Proxy {
    pub(crate) fn directory(&self, sandbox: &str) -> PathBuf {
        self.sandboxes.join(sandbox)
    }

    pub(crate) fn file(&self, sandbox: &str, name: &str) -> Option<String> {
        std::fs::read_to_string(self.directory(sandbox).join(name)).ok()
    }

    /// A variable of a sandbox's environment file.
    pub(crate) fn variable(&self, sandbox: &str, name: &str) -> Option<String> {
        let environment = self.file(sandbox, "env")?;
        let prefix = format!("{name}=");
        environment.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    }

    pub(crate) async fn control(&self) -> ControlClient<Channel> {
        let uri = format!("unix://{}", self.app.control_socket.display());
        ControlClient::new(Endpoint::from_shared(uri).unwrap().connect().await.unwrap())
    }

    pub(crate) async fn attach(
        &self,
        sandbox: &str,
        profiles: &[&str],
    ) -> Result<v1::AttachSandboxResponse, Status> {
        let request = v1::AttachSandboxRequest {
            sandbox_id: sandbox.to_owned(),
            profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        };
        self.control().await.attach_sandbox(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn detach(&self, sandbox: &str) -> bool {
        let request = v1::DetachSandboxRequest { sandbox_id: sandbox.to_owned() };
        let answer = self.control().await.detach_sandbox(request).await;
        answer.unwrap().into_inner().was_attached
    }

    pub(crate) async fn list(&self) -> Vec<v1::AttachedSandbox> {
        let answer = self.control().await.list_attached(v1::ListAttachedRequest {}).await;
        answer.unwrap().into_inner().sandboxes
    }

    /// The state of one token file.
    pub(crate) async fn state(&self, sandbox: &str, path: &str) -> Option<v1::TokenFileState> {
        let listed = self.list().await;
        let found = listed.iter().find(|listed| listed.sandbox_id == sandbox)?;
        found.files.iter().find(|file| file.path == path).map(v1::TokenFile::state)
    }

    pub(crate) async fn stop(self) {
        tokio::time::timeout(PATIENCE, self.app.stop()).await.unwrap();
    }

    pub(crate) fn operations(&self) -> String {
        self.app.operations_address.as_ref().unwrap().to_string()
    }
}

/// The inode of a file.
pub(crate) fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().ino()
}
