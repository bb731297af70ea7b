//! The files of a development directory.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use moneyer_daemon::file;

use crate::cli::failure::Failure;
use crate::seal::make_key_file;

/// Ports a first start takes if they are free: public, gRPC, operations, token server.
const PREFERRED_PORTS: [u16; 4] = [8480, 8482, 8483, 8484];

/// The name of the runner in a development directory.
pub(super) const RUNNER: &str = "dev";

/// A development directory whose configuration files exist.
#[derive(Debug)]
pub(super) struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// Uses a directory, and writes its configuration files where they are missing.
    pub(super) fn prepare(directory: &Path) -> Result<Self, Failure> {
        file::create_private_dir(directory)
            .map_err(|error| Failure::of(&format!("cannot use {}", directory.display()), &error))?;
        let directory = std::fs::canonicalize(directory)
            .map_err(|error| Failure::of(&format!("cannot use {}", directory.display()), &error))?;
        let layout = Self { directory };
        // Written together: the coordinator's last, since it says that both are there.
        if !layout.config().exists() {
            let [public, grpc, operations, tokens] = free_ports()?;
            Self::write(&layout.runner_config(), &layout.runner_text(grpc, tokens))?;
            make_key_file(&layout.seal_key())
                .map_err(|error| Failure::of("cannot make the seal key", &error))?;
            Self::write(&layout.config(), &layout.config_text(public, grpc, operations))?;
        }
        Ok(layout)
    }

    /// The key that records with private keys are sealed under.
    fn seal_key(&self) -> PathBuf {
        self.directory.join("seal.key")
    }

    /// The coordinator's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("moneyer.toml")
    }

    /// The runner proxy's configuration.
    pub(super) fn runner_config(&self) -> PathBuf {
        self.directory.join("runner-proxy.toml")
    }

    /// Where the runner proxy keeps its certificate: there if it has joined.
    pub(super) fn runner_state(&self) -> PathBuf {
        self.directory.join("runner")
    }

    /// Where the runner proxy logs.
    pub(super) fn runner_log(&self) -> PathBuf {
        self.directory.join("runner-proxy.log")
    }

    /// What programs read to find everything.
    pub(super) fn summary(&self) -> PathBuf {
        self.directory.join("dev.json")
    }

    /// Writes one of its files.
    pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
        file::write_atomic(path, text.as_bytes(), 0o600)
            .map_err(|error| Failure::of(&format!("cannot write {}", path.display()), &error))
    }

    fn config_text(&self, public: u16, grpc: u16, operations: u16) -> String {
        let directory = self.directory.display();
        format!(
            r#"# Made by `moneyer dev`. Everything listens on loopback.
[issuer]
url = "http://127.0.0.1:{public}"
organization_id = "acme"
cluster_id = "dev"

[listen]
public = "127.0.0.1:{public}"
grpc = "127.0.0.1:{grpc}"
operations = "127.0.0.1:{operations}"
management = "unix:{directory}/management.sock"

[store]
path = "{directory}/store"

[seal]
key_file = "{directory}/seal.key"

[spiffe]
# The runner proxy's too, whatever the issuer is set to.
trust_domain = "127.0.0.1"

[audit]
path = "{directory}/audit"

[telemetry]
filter = "warn"

[[audience]]
name = "aws"
preset = "aws"
"#
        )
    }

    fn runner_text(&self, grpc: u16, tokens: u16) -> String {
        let (directory, state) = (self.directory.display(), self.runner_state());
        format!(
            r#"# Made by `moneyer dev`.
[coordinator]
address = "127.0.0.1:{grpc}"
trust_domain = "127.0.0.1"

[runner]
state = "{state}"
run = "{directory}/run"

[token_server]
listen = "127.0.0.1:{tokens}"
"#,
            state = state.display()
        )
    }
}

/// Free loopback ports, the preferred ones first. They are held together until all are found, so that
/// no two are the same.
fn free_ports() -> Result<[u16; 4], Failure> {
    let mut held = Vec::new();
    let mut ports = PREFERRED_PORTS;
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *port))
            .or_else(|_taken| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| Failure::of("cannot find a free port", &error))?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::of("cannot find a free port", &error))?;
        *port = address.port();
        held.push(listener);
    }
    Ok(ports)
}
