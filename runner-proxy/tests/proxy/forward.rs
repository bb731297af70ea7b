//! The forward proxy of a running daemon: from what the coordinator says to the header at the upstream.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use moneyer_proto::v1;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::coordinator::Cluster;
use crate::host::{Host, Proxy, eventually};
use crate::http;

/// A server that remembers the bodies of its requests and their `Authorization`, and gives numbered tokens.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, seen: Arc::default() };
        let own = server.clone();
        let router = Router::new().fallback(move |request: Request| {
            let own = own.clone();
            async move {
                let (head, body) = request.into_parts();
                let token = head.headers.get("authorization").map(|v| v.to_str().unwrap());
                let mut token = token.unwrap_or("none").to_owned();
                for svid in head.headers.get_all("x-svid") {
                    token.extend([" svid=", svid.to_str().unwrap()]);
                }
                let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
                let mut seen = own.seen.lock().unwrap();
                seen.push(format!("{token} {}", String::from_utf8_lossy(&body)));
                format!(r#"{{"access_token":"canary-{}","expires_in":300}}"#, seen.len())
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// What is read at a port of this host.
pub(crate) fn endpoint(port: u16) -> v1::EndpointRule {
    v1::EndpointRule {
        provider: "demo".to_owned(),
        host: "localhost".to_owned(),
        port: u32::from(port),
        protocol: "rest".to_owned(),
        access: "read-only".to_owned(),
        enforcement: "enforce".to_owned(),
        tls: "terminate".to_owned(),
        allowed_ips: vec!["127.0.0.1".to_owned()],
        ..Default::default()
    }
}

/// The grants for an upstream at a port, with a token of this endpoint.
pub(crate) fn grants(revision: &str, port: u16, tokens: &Server) -> v1::SandboxGrants {
    let (host, endpoint) = ("localhost".to_owned(), endpoint(port));
    let port = u32::from(port);
    let access_token = "urn:ietf:params:oauth:token-type:access_token".to_owned();
    let grant = v1::TokenGrant {
        provider: "demo".to_owned(),
        credential: "access_token".to_owned(),
        token_endpoint: format!("http://{}/token", tokens.address),
        grant_type: "client_credentials".to_owned(),
        audience: "alpha".to_owned(),
        scopes: vec!["alpha".to_owned()],
        jwt_svid_audience: "https://tokens.test".to_owned(),
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe".to_owned(),
        requested_token_type: access_token,
        header: "authorization".to_owned(),
        bearer: true,
        ..Default::default()
    };
    let binding = v1::GrantBinding { host, port, path: String::new(), grant: Some(grant) };
    let (endpoints, bindings) = (vec![endpoint], vec![binding]);
    v1::SandboxGrants { revision: revision.to_owned(), endpoints, bindings }
}

/// A request to the upstream by way of the proxy; its status.
async fn ask(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    upstream: &Server,
    credentials: &str,
) -> u16 {
    let authority = format!("localhost:{}", upstream.address.port());
    let request = format!(
        "{method} http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{credentials}\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The same with what the sandbox's environment says.
async fn by_environment(proxy: &Proxy, variable: &str, method: &str, upstream: &Server) -> u16 {
    use base64::Engine as _;
    let (credentials, address) = variable.strip_prefix("http://").unwrap().split_once('@').unwrap();
    assert_eq!(address, proxy.app.forward_address.unwrap().to_string());
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let line = format!("Proxy-Authorization: Basic {encoded}\r\n");
    ask(TcpStream::connect(address).await.unwrap(), method, upstream, &line).await
}

/// Whether any file below a directory holds a text.
fn holds(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().map(Result::unwrap).any(|entry| {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let found =
            |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(text);
        if kind.is_dir() { holds(&path, text) } else { kind.is_file() && found(&path) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_coordinator_says_is_what_the_upstream_sees_and_nothing_outlives_it() {
    let (tokens, upstream) = (Server::start().await, Server::start().await);
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start_with("[forward]\nlisten = \"127.0.0.1:0\"\n");
    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    assert_eq!(proxy.variable("s-1", "HTTPS_PROXY"), None, "it has no grants");
    assert_eq!(proxy.file("s-1", "ca-bundle.pem"), None);
    let socket = proxy.directory("s-1").join("forward.sock");
    let connect = async || UnixStream::connect(&socket).await.unwrap();
    assert_eq!(ask(connect().await, "GET", &upstream, "").await, 403);

    cluster.grant("s-1", grants("1", upstream.address.port(), &tokens));
    eventually("the environment names the proxy", async || {
        proxy.variable("s-1", "HTTPS_PROXY").is_some()
    })
    .await;
    let variable = proxy.variable("s-1", "HTTPS_PROXY").unwrap();
    assert!(proxy.file("s-1", "ca-bundle.pem").unwrap().starts_with("-----BEGIN CERTIFICATE"));
    assert!(proxy.file("s-1", "forward-ca.pem").unwrap().starts_with("-----BEGIN CERTIFICATE"));
    assert_eq!(by_environment(&proxy, &variable, "GET", &upstream).await, 200);
    assert_eq!(ask(connect().await, "GET", &upstream, "").await, 200);
    assert_eq!(by_environment(&proxy, &variable, "POST", &upstream).await, 403);
    assert_eq!(upstream.seen(), ["Bearer canary-1 ", "Bearer canary-1 "]);
    let asked = tokens.seen();
    assert_eq!(asked.len(), 1, "one request for one token");
    assert!(asked[0].starts_with("none grant_type=client_credentials&"), "{asked:?}");
    assert!(asked[0].ends_with("&audience=alpha&scope=alpha"), "{asked:?}");
    assert!(!holds(&host.path("run"), "canary") && !holds(&host.path("state"), "canary"));
    let (_, metrics) = http::plain(&proxy.operations(), "/metrics").await;
    // Other tests of this process count there too.
    let counted = r#"moneyer_runner_grants_total{provider="demo",outcome="granted"} "#;
    assert!(metrics.contains(counted) && !metrics.contains("canary"), "{metrics}");

    let url = format!("http://localhost:{}/x", upstream.address.port());
    let explained = host.command(&["grant", "explain", &url, "--sandbox", "s-1"], "").await;
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.starts_with("passes: an endpoint permits it\n"), "{explained}");
    assert!(explained.contains("authorization: a token of demo:access_token\n"), "{explained}");

    // Without the token, and then without anything.
    let mut without = grants("2", upstream.address.port(), &tokens);
    without.bindings.clear();
    cluster.grant("s-1", without);
    eventually("the token is taken away", async || {
        // A request that is under way while they change is refused.
        by_environment(&proxy, &variable, "GET", &upstream).await == 200
            && upstream.seen().last().unwrap() == "none "
    })
    .await;
    cluster.grant("s-1", grants("3", upstream.address.port(), &tokens));
    eventually("another revision has another token", async || {
        by_environment(&proxy, &variable, "GET", &upstream).await == 200
            && upstream.seen().last().unwrap() == "Bearer canary-2 "
    })
    .await;
    cluster.displace("s-1");
    eventually("the secret is dead", async || {
        by_environment(&proxy, &variable, "GET", &upstream).await == 407
    })
    .await;
    proxy.stop().await;
    the_log_is_whole(&host).await;
}

/// That the audit log tells of all of it, in a chain, and of no token.
async fn the_log_is_whole(host: &Host) {
    let run = async |arguments: &[&str]| {
        let ended =
            host.command(&[&["audit"], arguments, &["--output", "json"]].concat(), "").await;
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let text = String::from_utf8(ended.stdout).unwrap();
        assert!(!text.contains("canary"), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let granted = run(&["query", "--sandbox", "s-1", "--event", "token_granted"]).await;
    let revisions = |records: &serde_json::Value| {
        let records = records.as_array().unwrap().iter();
        records.map(|record| record["revision"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(revisions(&granted), ["1", "3"]);
    let refused = ["query", "--event", "forward_refused", "--since", "1h", "--limit", "1"];
    let refused = run(&refused).await;
    let events: Vec<_> =
        refused.as_array().unwrap().iter().map(|one| one["event"].clone()).collect();
    assert_eq!(events, ["forward_refused"]);
    let verified = run(&["verify"]).await;
    assert_eq!(verified.get("good"), Some(&serde_json::Value::Bool(true)), "{verified}");

    let file = host.path("state/audit/audit-00000000000000000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("alpha", "omega", 1)).unwrap();
    let ended = host.command(&["audit", "verify"], "").await;
    assert_eq!(ended.status.code(), Some(65), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_on_a_users_behalf_comes_in_two_stages_and_nothing_leaves_without_the_first() {
    let (tokens, upstream) = (Server::start().await, Server::start().await);
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start_with("[forward]\nlisten = \"127.0.0.1:0\"\n");
    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    let mut granted = grants("1", upstream.address.port(), &tokens);
    "token_exchange".clone_into(&mut granted.bindings[0].grant.as_mut().unwrap().grant_type);
    cluster.grant("s-1", granted);
    eventually("the environment names the proxy", async || {
        proxy.variable("s-1", "HTTPS_PROXY").is_some()
    })
    .await;
    let socket = proxy.directory("s-1").join("forward.sock");
    let connect = async || UnixStream::connect(&socket).await.unwrap();
    cluster.records(|records| records.delegates = false);
    assert_eq!(ask(connect().await, "GET", &upstream, "").await, 502);
    assert!(upstream.seen().is_empty() && tokens.seen().is_empty(), "nothing was sent");
    cluster.records(|records| records.delegates = true);
    eventually("the failure is forgotten", async || {
        ask(connect().await, "GET", &upstream, "").await == 200
    })
    .await;
    assert_eq!(upstream.seen(), ["Bearer canary-1 "]);
    let asked = tokens.seen();
    let access_token = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
    let subject = format!(
        "&subject_token=for-s-1-by-demo-access_token&subject_token_type={access_token}\
         &requested_token_type={access_token}&audience=alpha&scope=alpha"
    );
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&")
    );
    assert!(asked[0].ends_with(&subject), "{asked:?}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_coordinator_said_stands_over_a_restart_without_it_and_not_for_ever() {
    let (tokens, upstream) = (Server::start().await, Server::start().await);
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let sections = "[forward]\nlisten = \"127.0.0.1:0\"\n[grants]\nmax_age = \"2h\"\n";
    let proxy = host.start_with(sections);
    cluster.place("s-1", &[]);
    let mut without_token = grants("1", upstream.address.port(), &tokens);
    without_token.bindings.clear();
    cluster.grant("s-1", without_token);
    proxy.attach("s-1", &[]).await.unwrap();
    let socket = proxy.directory("s-1").join("forward.sock");
    let connect = async || UnixStream::connect(&socket).await.unwrap();
    eventually("it is granted", async || ask(connect().await, "GET", &upstream, "").await == 200)
        .await;
    coordinator.stop(&cluster).await;
    proxy.stop().await;
    let heard = host.path("state/heard.json");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let kept = std::fs::read_to_string(&heard).unwrap();
    assert!(kept.contains("heard_at"), "{kept}");
    for (ago, expected) in [(3600, 200), (3 * 3600, 503)] {
        std::fs::write(&heard, format!(r#"{{"heard_at":{}}}"#, now - ago)).unwrap();
        let proxy = host.start_with(sections);
        eventually("the socket is there", async || UnixStream::connect(&socket).await.is_ok())
            .await;
        assert_eq!(ask(connect().await, "GET", &upstream, "").await, expected, "{ago} s");
        proxy.stop().await;
    }
    // Nothing on disk, as after an update from before this was kept.
    std::fs::remove_file(&heard).unwrap();
    let proxy = host.start_with(sections);
    eventually("the socket is there", async || UnixStream::connect(&socket).await.is_ok()).await;
    assert_eq!(ask(connect().await, "GET", &upstream, "").await, 503);
    proxy.stop().await;
}

fn claims(jwt: &str) -> serde_json::Value {
    use base64::Engine as _;
    let claims = jwt.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jwt_svid_itself_stands_beside_the_token_and_the_sandbox_never_has_it() {
    let (tokens, upstream) = (Server::start().await, Server::start().await);
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start_with("[forward]\nlisten = \"127.0.0.1:0\"\n");
    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    let mut granted = grants("1", upstream.address.port(), &tokens);
    let mut svid = granted.bindings[0].clone();
    svid.grant = Some(v1::TokenGrant {
        provider: "demo".to_owned(),
        credential: "svid".to_owned(),
        grant_type: "jwt_svid".to_owned(),
        jwt_svid_audience: "https://upstream.test".to_owned(),
        header: "x-svid".to_owned(),
        ..svid.grant.unwrap()
    });
    let grant = svid.grant.as_mut().unwrap();
    (grant.token_endpoint, grant.audience, grant.bearer) = (String::new(), String::new(), false);
    granted.bindings.push(svid);
    cluster.grant("s-1", granted);
    let socket = proxy.directory("s-1").join("forward.sock");
    let own = "X-SVID: own\r\nx_svid: own\r\nAuthorization: own\r\n";
    let connect = async || UnixStream::connect(&socket).await.unwrap();
    eventually("it is granted", async || ask(connect().await, "GET", &upstream, own).await == 200)
        .await;
    assert_eq!(ask(connect().await, "GET", &upstream, own).await, 200);
    let seen = upstream.seen();
    assert_eq!(seen[0], seen[1], "both are kept");
    let (token, svid) = seen[0].trim_end().split_once(" svid=").unwrap();
    assert_eq!(token, "Bearer canary-1");
    let claims = claims(svid);
    assert_eq!(claims["aud"], serde_json::json!(["https://upstream.test"]));
    assert_eq!(claims["sub"], crate::coordinator::spiffe_id("s-1"));
    assert_eq!(tokens.seen().len(), 1, "it is asked of nobody");
    // One for the token endpoint, one for the upstream.
    assert_eq!(cluster.records(|records| records.jwt_svids), 2);
    assert!(!holds(&host.path("run"), svid) && !holds(&host.path("state"), svid));
    let own = proxy.directory("s-1").join("identity.sock");
    let asked = http::on_socket(&own, "/v1/token?audience=https%3A%2F%2Fupstream.test").await;
    assert_eq!(asked.unwrap().0, 403, "the sandbox has it by itself");
    let url = format!("http://localhost:{}/x", upstream.address.port());
    let explained = host.command(&["grant", "explain", &url, "--sandbox", "s-1"], "").await;
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.contains("x-svid: a token of demo:svid\n    by jwt_svid\n"), "{explained}");
    proxy.stop().await;
}
