//! A coordinator in this process, and how its HTTP listeners are asked.

use std::net::SocketAddr;
use std::sync::Arc;

use moneyer::App;
use moneyer::config::Config;
use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticatedOperator, LocalPeer};
use moneyer_authority::registry::{AppChange, Sandbox};
use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::settings::Source;
use moneyer_daemon::unix_http::{Answer, HeaderMap, Method, UnixClient};
use moneyer_identity::{AppName, Clock as _, RunnerId, SandboxId, SystemClock};
use moneyer_testkit::ManualClock;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ISSUER: &str = "https://id.example.com";

/// Keys of P-256, since an RSA key for every test would take the machine a minute.
const CONFIG: &str = r#"
[issuer]
url = "https://id.example.com"
organization_id = "acme"
cluster_id = "prod-1"

[listen]
public = "127.0.0.1:0"
grpc = "127.0.0.1:0"
operations = "127.0.0.1:0"
management = "unix:@DIR@/management.sock"

[keys]
algorithm = "ES256"

[store]
path = "@DIR@/store"

[seal]
key_file = "@DIR@/seal.key"

[audit]
path = "@DIR@/audit"

[[audience]]
name = "aws"
preset = "aws"
default_lifetime = "15m"
maximum_lifetime = "1h"

[[audience]]
name = "vault"
value = "https://vault.example.com"

[[system_workload]]
name = "telemetry"
on_runners = true

[[system_workload]]
name = "backup"
"#;

/// A running coordinator with a store of its own.
pub(crate) struct World {
    pub(crate) app: App,
    /// Begins at the time of the machine, by which TLS judges certificates.
    pub(crate) clock: ManualClock,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings such as `("TOKENS__MAXIMUM_AUDIENCES", "2")`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        moneyer_daemon::tls::install_provider();
        let clock = ManualClock::default();
        clock.set(SystemClock.now());
        Self::at(clock, settings).await
    }

    pub(crate) async fn at(clock: ManualClock, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(&directory);
        Self::start_in(directory, clock, settings).await
    }

    /// In a directory that was prepared.
    pub(crate) async fn start_in(
        directory: TempDir,
        clock: ManualClock,
        settings: &[(&str, &str)],
    ) -> Self {
        let text = std::fs::read_to_string(directory.path().join("moneyer.toml")).unwrap();
        let named: Vec<_> =
            settings.iter().map(|(name, value)| (format!("MONEYER__{name}"), *value)).collect();
        let variables: Vec<_> = named.iter().map(|(name, value)| (&**name, *value)).collect();
        let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &variables);
        let (config, charter) = Config::load(&source).unwrap();
        let app = App::start(&config, charter, Arc::new(clock.clone())).await.unwrap();
        Self { app, clock, directory }
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.app.authority()
    }

    pub(crate) fn grpc_address(&self) -> SocketAddr {
        match self.app.addresses().grpc {
            ListenAddress::Tcp(address) => address,
            ListenAddress::Unix(_) => panic!("gRPC is bound to a TCP port"),
        }
    }

    pub(crate) async fn put_app(&self, name: &str) {
        let change = AppChange {
            name: AppName::parse(name).unwrap(),
            audiences: Vec::new(),
            accounts: None,
            spiffe_ending: moneyer_authority::registry::EndingChange::AsBefore,
        };
        let now = self.authority().now();
        self.authority().registry().put_app(&operator(), change, now).await.unwrap();
    }

    /// Places a sandbox of the app `web`, which is made if it is not there.
    pub(crate) async fn place(&self, id: &str, runner: &str) {
        self.put_app("web").await;
        let sandbox = Sandbox {
            id: SandboxId::parse(id).unwrap(),
            app: AppName::parse("web").unwrap(),
            runner: RunnerId::parse(runner).unwrap(),
            role: None,
            placed_at: self.authority().now(),
        };
        self.authority().registry().put_sandbox(&operator(), sandbox).await.unwrap();
    }

    pub(crate) async fn take_away(&self, id: &str) {
        let id = SandboxId::parse(id).unwrap();
        self.authority().registry().remove_sandbox(&operator(), id).await.unwrap();
    }

    /// One request to the public listener, in a connection of its own.
    pub(crate) async fn public(&self, method: Method, path: &str, fields: &[Field]) -> Answer {
        ask(&self.app.addresses().public, method, path, fields, &[]).await
    }

    /// A public document once it is answered with this status: documents follow a change of the ring or
    /// the issuers by themselves, a moment later.
    pub(crate) async fn public_when(&self, path: &str, fields: &[Field], status: u16) -> Answer {
        for _ in 0..500 {
            let answer = self.public(Method::GET, path, fields).await;
            if answer.status.as_u16() == status {
                return answer;
            }
            tokio::task::yield_now().await;
        }
        panic!("{path} was never answered with {status}");
    }

    /// Waits until the served key set is exactly this.
    pub(crate) async fn until_served(&self, key_ids: &[&str]) {
        for _ in 0..500 {
            let served = json(&self.public(Method::GET, "/.well-known/jwks.json", &[]).await);
            let served = served["keys"].as_array().unwrap();
            if served.iter().map(|key| key["kid"].as_str().unwrap()).eq(key_ids.iter().copied()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{key_ids:?} was never served");
    }

    pub(crate) async fn operations(&self, method: Method, path: &str) -> Answer {
        ask(&self.app.addresses().operations, method, path, &[], &[]).await
    }

    /// One request to the management API, with a JSON body.
    pub(crate) async fn manage(&self, method: Method, path: &str, body: &str) -> Answer {
        let json = [("content-type", "application/json")];
        let path = format!("/api/v1{path}");
        ask(&self.app.addresses().management, method, &path, &json, body.as_bytes()).await
    }
}

/// Puts the configuration and a key to seal with into a directory.
pub(crate) fn prepare(directory: &TempDir) {
    let text = CONFIG.replace("@DIR@", directory.path().to_str().unwrap());
    std::fs::write(directory.path().join("moneyer.toml"), text).unwrap();
    write_seal_key(&directory.path().join("seal.key"));
}

/// A key to seal with, as an operator makes one.
fn write_seal_key(path: &std::path::Path) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(&[7; 32]).unwrap();
}

/// A header field.
pub(crate) type Field = (&'static str, &'static str);

pub(crate) async fn ask(
    address: &ListenAddress,
    method: Method,
    path: &str,
    fields: &[(&'static str, &str)],
    body: &[u8],
) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    let client = UnixClient::at(address.clone());
    client.request_with(method, path, headers, body.to_vec()).await.unwrap()
}

pub(crate) fn operator() -> AuthenticatedOperator {
    LocalPeer { uid: 0 }.authenticate(1000, &[]).unwrap()
}

/// A field of an answer as text; empty where it is not there.
pub(crate) fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// An RFC 9457 problem of this status; gives its `detail`.
pub(crate) fn problem(answer: &Answer, status: u16) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status.as_u16(), status, "{text}");
    assert_eq!(field(answer, "content-type"), "application/problem+json", "{text}");
    assert_eq!(field(answer, "cache-control"), "no-store", "{text}");
    let body = json(answer);
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["detail", "request_id", "status", "title"]);
    assert_eq!(body["status"], status);
    assert!(!body["title"].as_str().unwrap().is_empty());
    body["detail"].as_str().unwrap().to_owned()
}
