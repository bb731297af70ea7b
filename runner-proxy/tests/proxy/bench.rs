//! Requests a second through the forward proxy, with a token, without one, and past the proxy, in one run.
//!
//! Run as a test it takes milliseconds for a figure and checks what does not hang on the machine: each request with a
//! token has it, and all of them cost one. Figures to compare are had from an optimised build, by `make bench` or with
//! `MONEYER_BENCH_MS=5000`; the table is printed. The client, the proxy and the upstream share the machine's cores, so
//! that only ratios say something.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use http::StatusCode;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Stream, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity, WebAlpn, WebTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use crate::coordinator::Cluster;
use crate::forward::{Server, endpoint, grants};
use crate::host::{Host, Proxy};

/// Connections, each with the next request as soon as the last is answered.
const CONNECTIONS: usize = 16;

/// How long a figure takes where nobody says: enough to see that it runs.
const SMOKE_MS: u64 = 20;

/// The paths of requests with a token and without one.
const WITH: &str = "/with";
const WITHOUT: &str = "/without";

/// What one figure gave.
struct Figure {
    what: &'static str,
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Figure {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run stay below 2^53")]
    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds that so many of a hundred requests took at most.
    fn within(&self, per_cent: usize) -> f64 {
        let place = (self.latencies.len() * per_cent).div_ceil(100).saturating_sub(1);
        self.latencies.get(place).unwrap().as_secs_f64() * 1e3
    }
}

/// An upstream that insists on what its path says of a token.
fn upstream(tls: Tls) -> u16 {
    let router = Router::new().fallback(async |request: Request| {
        let has_token = request.headers().contains_key("authorization");
        let good = has_token == request.uri().path().starts_with("/with/");
        (if good { StatusCode::OK } else { StatusCode::EXPECTATION_FAILED }, "ok")
    });
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let limits = Limits { max_connections_per_ip: 10_000, ..Limits::default() };
    tokio::spawn(async move { listener.serve(router, limits, tls, &Shutdown::new()).await });
    address.port()
}

/// The authority of the upstream's certificate (PEM), and the upstream.
fn encrypted_upstream() -> (String, u16) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let web = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &web).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let tls = ServerTls::server_only(&TlsIdentity::new(vec![leaf.der().clone()], key)).unwrap();
    // The proxy and the client both speak HTTP/1.1, so that the same is compared.
    (web.pem(), upstream(Tls::On(tls.http1_only())))
}

/// One connection, and what is asked on it again and again.
struct Line {
    stream: Box<dyn Stream>,
    request: String,
}

impl Line {
    async fn ask(&mut self) {
        self.stream.write_all(self.request.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
        let mut answer = Vec::with_capacity(512);
        while !answer.ends_with(b"\r\n\r\nok") {
            assert!(self.stream.read_buf(&mut answer).await.unwrap() > 0, "closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
}

/// How a client comes to an upstream.
struct Way<'a> {
    proxy: Option<&'a Proxy>,
    port: u16,
    /// By whose authority the other end of TLS is known.
    tls: Option<WebTls>,
}

impl Way<'_> {
    async fn line(&self, path: &str) -> Line {
        let (authority, port) = (format!("localhost:{}", self.port), self.port);
        let stream: Box<dyn Stream> = match self.proxy {
            None => Box::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap()),
            Some(proxy) => {
                let socket = proxy.directory("s-1").join("forward.sock");
                Box::new(UnixStream::connect(socket).await.unwrap())
            }
        };
        let target = match (self.proxy, &self.tls) {
            (Some(_), None) => format!("http://{authority}{path}/x"),
            _ => format!("{path}/x"),
        };
        let request = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let Some(tls) = &self.tls else { return Line { stream, request } };
        let stream = if self.proxy.is_some() { tunnel(stream, &authority).await } else { stream };
        let stream = tls.connect("localhost", stream, WebAlpn::Http1).await.unwrap().stream;
        Line { stream, request }
    }

    async fn figure(&self, what: &'static str, path: &str, duration: Duration) -> Figure {
        let mut lines = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let mut line = self.line(path).await;
            // The first request is no figure: it has connections and a token made.
            line.ask().await;
            lines.push(line);
        }
        let start = Instant::now();
        let asking = lines.into_iter().map(|mut line| async move {
            let mut latencies = Vec::new();
            while latencies.is_empty() || start.elapsed() < duration {
                let asked = Instant::now();
                line.ask().await;
                latencies.push(asked.elapsed());
            }
            latencies
        });
        let asking: Vec<_> = asking.map(tokio::spawn).collect();
        let mut latencies = Vec::new();
        for line in asking {
            latencies.extend(line.await.unwrap());
        }
        latencies.sort();
        Figure { what, latencies, elapsed: start.elapsed() }
    }
}

async fn tunnel(mut stream: Box<dyn Stream>, authority: &str) -> Box<dyn Stream> {
    let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// The table of one kind: past the proxy, through it without a token, and with one.
fn table(kind: &str, figures: &[Figure; 3]) -> String {
    let [direct, without, _] = figures;
    let mut text = format!(
        "\n{kind}, {CONNECTIONS} connections\n\n| What | Requests/s | p50 ms | p99 ms | Of direct | Of without a token |\n\
         | :--- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for figure in figures {
        let (rate, p50, p99) = (figure.per_second(), figure.within(50), figure.within(99));
        let of = |other: &Figure| rate / other.per_second();
        let (of_direct, of_without) = (of(direct), of(without));
        let what = figure.what;
        writeln!(
            text,
            "| {what} | {rate:.0} | {p50:.2} | {p99:.2} | {of_direct:.3} | {of_without:.3} |"
        )
        .unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_through_the_forward_proxy_beside_the_same_past_it_cost_one_token_for_all() {
    let asked = std::env::var_os("MONEYER_BENCH_MS");
    let asked = asked.map(|text| text.to_str().unwrap().parse().unwrap());
    let duration = Duration::from_millis(asked.unwrap_or(SMOKE_MS));
    let tokens = Server::start().await;
    let (plain, (web, encrypted)) = (upstream(Tls::Off), encrypted_upstream());
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let roots = host.path("web.pem");
    std::fs::write(&roots, &web).unwrap();
    let sections =
        format!("[forward]\nlisten = \"127.0.0.1:0\"\nroots = [\"{}\"]\n", roots.display());
    let proxy = host.start_with(&sections);
    cluster.place("s-1", &[]);
    let mut granted = grants("1", plain, &tokens);
    granted.endpoints.push(endpoint(encrypted));
    let binding = granted.bindings.first_mut().unwrap();
    binding.path = format!("{WITH}/**");
    let mut other = binding.clone();
    other.port = u32::from(encrypted);
    granted.bindings.push(other);
    cluster.grant("s-1", granted);
    proxy.attach("s-1", &[]).await.unwrap();
    crate::host::eventually("the grants are there", async || {
        proxy.file("s-1", "forward-ca.pem").is_some()
    })
    .await;
    let ca = proxy.file("s-1", "forward-ca.pem").unwrap();
    let trusting = |pem: &str| Some(WebTls::new(&[pem.as_bytes().to_vec()]).unwrap());
    let mut requests = 0;
    for (kind, port, pems) in [("Plain HTTP", plain, None), ("TLS", encrypted, Some((web, ca)))] {
        let own = pems.as_ref().and_then(|(web, _)| trusting(web));
        let direct = Way { proxy: None, port, tls: own };
        let own = pems.as_ref().and_then(|(_, ca)| trusting(ca));
        let through = Way { proxy: Some(&proxy), port, tls: own };
        let figures = [
            direct.figure("direct", WITHOUT, duration).await,
            through.figure("through the proxy, without a token", WITHOUT, duration).await,
            through.figure("through the proxy, with a token", WITH, duration).await,
        ];
        requests += figures[2].latencies.len() + CONNECTIONS;
        println!("{}", table(kind, &figures));
    }
    let asked = tokens.seen().len();
    #[expect(clippy::cast_precision_loss, reason = "counts of one run stay below 2^53")]
    let each = asked as f64 * 1e4 / requests as f64;
    println!("{requests} requests with a token cost {asked} token ({each:.2} for 10,000)");
    assert_eq!(asked, 1, "one token for all of them, within its life");
    proxy.stop().await;
    drop(Arc::new(coordinator));
}
