//! A runner proxy with a token in its memory, and two sandboxes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use moneyer_proto::v1;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::coordinator::{Cluster, Running};
use crate::host::{Host, eventually};

/// Longer than a search of a large disk takes on busy cores.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who a program runs as where the tests run as root.
pub(super) const NOBODY: &str = "65534:65534";

/// What assertions are for.
pub(super) const ASSERTIONS: &str = "https://tokens.test";

/// Whether what takes namespaces is tried; says so where it is not.
pub(super) fn is_tried(what: &str) -> bool {
    let is_left_out = std::env::var_os("MONEYER_TEST_NO_MOUNT").is_some_and(|set| set == "1");
    if is_left_out {
        not_tried("MONEYER_TEST_NO_MOUNT=1", what);
    }
    !is_left_out
}

/// Says so whether the test passes or not: this way it is not held back with what passing tests print.
pub(super) fn not_tried(why: &str, what: &str) {
    std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{why}: {what} is NOT tried\n"))
        .unwrap();
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A server that gives one answer and remembers its requests.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&server.seen);
        let router = Router::new().fallback(move |request: Request| {
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let token = head.headers.get("authorization").map(|token| token.to_str().unwrap());
                let token = token.unwrap_or("none").to_owned();
                let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
                seen.lock().unwrap().push(format!("{token} {}", String::from_utf8_lossy(&body)));
                answer
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(super) struct Lab {
    pub(super) host: Host,
    pub(super) tokens: Server,
    pub(super) upstream: Server,
    pub(super) daemon: Child,
    /// The access token that the daemon gets.
    pub(super) canary: String,
    pub(super) cluster: Cluster,
    coordinator: Running,
    began: u64,
}

impl Lab {
    /// `s-1` has grants, `s-2` is somebody else's.
    pub(super) async fn new() -> Self {
        let began = std::fs::metadata("/proc/self").unwrap();
        let began = u64::try_from(std::os::unix::fs::MetadataExt::ctime(&began)).unwrap();
        let mut random = [0_u8; 16];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut random)
            .unwrap();
        let canary = format!("canary-{:032x}", u128::from_ne_bytes(random));
        let tokens = Server::start(format!(r#"{{"access_token":"{canary}","expires_in":300}}"#));
        let (tokens, upstream) = (tokens.await, Server::start("fine".to_owned()).await);
        let cluster = Cluster::new();
        let coordinator = cluster.start(0);
        let host = Host::joined(&cluster, &coordinator).await;
        let config = std::fs::read_to_string(host.config_file()).unwrap();
        let config = format!("{config}[forward]\nlisten = \"127.0.0.1:0\"\n");
        std::fs::write(host.config_file(), config).unwrap();
        for sandbox in ["s-1", "s-2"] {
            cluster.place(sandbox, &[]);
        }
        cluster.grant("s-1", grants(upstream.address, tokens.address));
        let daemon = Command::new(env!("CARGO_BIN_EXE_moneyer-runner-proxy"))
            .arg("--config")
            .arg(host.config_file())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(host.path("log")).unwrap())
            .stderr(std::fs::File::options().append(true).open(host.path("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lab = Self { host, tokens, upstream, daemon, canary, cluster, coordinator, began };
        for sandbox in ["s-1", "s-2"] {
            eventually("a sandbox is attached", async || {
                lab.host.command(&["sandbox", "attach", sandbox], "").await.status.success()
            })
            .await;
        }
        eventually("the sandbox is told of the proxy", async || {
            lab.variables("s-1").contains_key("HTTPS_PROXY")
        })
        .await;
        lab
    }

    /// What a sandbox was given.
    pub(super) fn variables(&self, sandbox: &str) -> BTreeMap<String, String> {
        let text =
            std::fs::read_to_string(self.host.path("run/sandboxes").join(sandbox).join("env"));
        let text = text.unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// `sandbox run s-1` with these options.
    pub(super) fn command(&self, options: &[&str], program: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moneyer-runner-proxy"));
        command.arg("--config").arg(self.host.config_file()).args(["sandbox", "run", "s-1"]);
        if is_root() {
            command.args(["--user", NOBODY]);
        }
        // Of those that the tests were started with some may be closed to the program.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.args(options).arg("--").args(program).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// The same to its end: exit code, standard output, standard error.
    pub(super) async fn run(&self, options: &[&str], program: &[&str]) -> (i32, String, String) {
        ended(self.command(options, program)).await
    }

    /// Has the program make a request, so that the daemon has a token; `s-1` is told nothing of it.
    pub(super) async fn request(&self) {
        let ask = format!(
            "import urllib.request as r; print(r.urlopen('http://localhost:{}/', timeout=20).read().decode())",
            self.upstream.address.port()
        );
        // Loopback is what programs reach without a proxy; the upstream's name is one all the same.
        let ask = format!("import os; os.environ['no_proxy'] = os.environ['NO_PROXY'] = ''; {ask}");
        let (code, said, errors) = self.run(&[], &["python3", "-I", "-c", &ask]).await;
        assert_eq!((code, said.trim()), (0, "fine"), "{errors}");
    }

    /// The JWT-SVID that the token was obtained with.
    pub(super) fn assertion(&self) -> String {
        let asked = self.tokens.seen().pop().unwrap();
        let assertion = asked.split("client_assertion=").nth(1).unwrap();
        assertion.split('&').next().unwrap().to_owned()
    }

    /// The argument of a search for these texts.
    pub(super) fn search(&self, needles: &[(&str, &str)], more: &[(&str, Value)]) -> String {
        let encode = |text: &str| hex(text.bytes().rev());
        let needles: BTreeMap<_, _> =
            needles.iter().map(|(name, text)| ((*name).to_owned(), encode(text))).collect();
        let mut said = serde_json::json!({
            "needles": needles,
            "since": self.began.saturating_sub(5),
            "audience": ASSERTIONS,
            "upstream": format!("http://localhost:{}/", self.upstream.address.port()),
            "only_process": null,
            "every_port": false,
            "addresses": [],
            "abstract": [],
        });
        for (name, value) in more {
            said.as_object_mut().unwrap().insert((*name).to_owned(), value.clone());
        }
        hex(said.to_string().bytes())
    }

    /// What a search found that is run like this.
    pub(super) async fn searched(&self, options: &[&str], before: &str, said: &str) -> Value {
        // The program is read from standard input, so that no file has to be shown to it.
        let script = format!("{before}exec python3 -I -B - {said}");
        let mut command = self.command(options, &["sh", "-c", &script]);
        command.stdin(search_program());
        let (code, found, errors) = ended(command).await;
        assert_eq!(code, 0, "{errors}");
        serde_json::from_str(&found).unwrap()
    }

    pub(super) async fn stop(mut self) {
        self.daemon.kill().await.unwrap();
        self.coordinator.stop(&self.cluster).await;
    }
}

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The program that searches, as a standard input.
pub(super) fn search_program() -> Stdio {
    use std::io::{Seek as _, Write as _};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(include_bytes!("search.py")).unwrap();
    file.rewind().unwrap();
    file.into()
}

pub(super) async fn ended(mut command: Command) -> (i32, String, String) {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap();
    let Output { status, stdout, stderr } = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// The upstream with a token of the endpoint.
fn grants(upstream: SocketAddr, tokens: SocketAddr) -> v1::SandboxGrants {
    let (host, port) = ("localhost".to_owned(), u32::from(upstream.port()));
    let endpoint = v1::EndpointRule {
        provider: "demo".to_owned(),
        host: host.clone(),
        port,
        protocol: "rest".to_owned(),
        access: "read-only".to_owned(),
        enforcement: "enforce".to_owned(),
        tls: "terminate".to_owned(),
        allowed_ips: vec!["127.0.0.1".to_owned()],
        ..Default::default()
    };
    let grant = v1::TokenGrant {
        provider: "demo".to_owned(),
        credential: "access_token".to_owned(),
        token_endpoint: format!("http://{tokens}/token"),
        grant_type: "client_credentials".to_owned(),
        audience: "alpha".to_owned(),
        jwt_svid_audience: ASSERTIONS.to_owned(),
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe".to_owned(),
        requested_token_type: "urn:ietf:params:oauth:token-type:access_token".to_owned(),
        header: "authorization".to_owned(),
        bearer: true,
        ..Default::default()
    };
    let binding = v1::GrantBinding { host, port, path: String::new(), grant: Some(grant) };
    let (endpoints, bindings) = (vec![endpoint], vec![binding]);
    v1::SandboxGrants { revision: "1".to_owned(), endpoints, bindings }
}
