//! `moneyer dev` with a trust domain of the test's choice.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use spiffe::{SpiffeId, TrustDomain, X509Source};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::dev::PORTS;
use crate::stand::binary_directory;

/// How a daemon ends whose configuration is not usable.
const UNUSABLE: i32 = 78;

/// A debug build on two busy cores makes its keys and attaches its sandbox well within this.
const READY: Duration = Duration::from_secs(60);

/// A cluster that is used as an operator does. Dropped, it ends as by Ctrl-C.
pub(super) struct Cluster {
    directory: TempDir,
    trust_domain: TrustDomain,
    process: Child,
}

impl Cluster {
    /// Starts one, with settings such as `("MONEYER__KEYS__MAX_AGE", "1s")`.
    pub(super) fn start(trust_domain: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        prepare(directory.path(), trust_domain);
        let process = dev(directory.path())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let trust_domain = TrustDomain::new(trust_domain).unwrap();
        let mut cluster = Self { directory, trust_domain, process };
        cluster.wait_until_ready();
        cluster
    }

    fn wait_until_ready(&mut self) {
        let files = [self.file("dev.json"), self.sandbox("demo-1").join("token")];
        let give_up = Instant::now() + READY;
        while !files.iter().all(|file| file.exists()) {
            assert!(self.process.try_wait().unwrap().is_none(), "moneyer dev ended by itself");
            assert!(Instant::now() < give_up, "moneyer dev is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("dev").join(name)
    }

    pub(super) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The id of one of its sandboxes.
    pub(super) fn id(&self, sandbox: &str) -> SpiffeId {
        SpiffeId::new(format!("spiffe://{}/app/demo/sandbox/{sandbox}", self.trust_domain)).unwrap()
    }

    /// What an operator's command prints.
    pub(super) fn moneyer(&self, arguments: &[&str]) -> String {
        run("moneyer", &self.file("moneyer.toml"), arguments)
    }

    /// Attaches one more sandbox.
    pub(super) fn attach(&self, sandbox: &str) {
        self.moneyer(&["sandbox", "put", sandbox, "--app", "demo", "--runner", "dev"]);
        run(
            "moneyer-runner-proxy",
            &self.file("runner-proxy.toml"),
            &["sandbox", "attach", sandbox],
        );
    }

    fn sandbox(&self, name: &str) -> PathBuf {
        self.file("run/sandboxes").join(name)
    }

    /// `SPIFFE_ENDPOINT_SOCKET` of a sandbox.
    pub(super) fn endpoint(&self, sandbox: &str) -> String {
        let variables = std::fs::read_to_string(self.sandbox(sandbox).join("env")).unwrap();
        let mut lines = variables.lines();
        lines.find_map(|line| line.strip_prefix("SPIFFE_ENDPOINT_SOCKET=")).unwrap().to_owned()
    }

    /// What a sandbox holds, kept up to date.
    pub(super) async fn source(&self, sandbox: &str) -> X509Source {
        X509Source::builder().endpoint(self.endpoint(sandbox)).build().await.unwrap()
    }

    /// A key of `dev.json`.
    pub(super) fn said(&self, key: &str) -> String {
        let said: Value =
            serde_json::from_slice(&std::fs::read(self.file("dev.json")).unwrap()).unwrap();
        said[key].as_str().unwrap().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It ends the runner proxy too, which a kill would leave behind.
        kill_process(Pid::from_child(&self.process), Signal::INT).ok();
        self.process.wait().ok();
    }
}

/// Has both configurations written and no more, and gives them another trust domain: a cluster that ran once would
/// keep the one it has.
fn prepare(directory: &Path, trust_domain: &str) {
    let refused = dev(directory).env("MONEYER__ISSUER__URL", "none").output().unwrap();
    assert_eq!(refused.status.code(), Some(UNUSABLE), "{refused:?}");
    for name in ["moneyer.toml", "runner-proxy.toml"] {
        let file = directory.join("dev").join(name);
        let before = std::fs::read_to_string(&file).unwrap();
        let after = before
            .replace("trust_domain = \"127.0.0.1\"", &format!("trust_domain = \"{trust_domain}\""));
        assert_ne!(before, after, "{name} names no trust domain");
        std::fs::write(&file, after).unwrap();
    }
}

fn dev(directory: &Path) -> Command {
    let mut command = Command::new(binary_directory().join("moneyer"));
    command.arg("dev").arg("--dir").arg(directory.join("dev"));
    command
}

fn run(program: &str, config: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(binary_directory().join(program));
    let ended = command.arg("--config").arg(config).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}
