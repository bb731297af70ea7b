//! What stands around the proxy: a sandbox that sends anything, and an upstream that keeps every byte.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Peer, PeerAddress, Proxied};
use moneyer_identity::grant::{
    Access, AddressRange, AssertionType, BearerToken, Binding, Destination, EndpointRule,
    Enforcement, GrantKind, HeaderPlacement, HostPattern, PathPattern, Protocol, SandboxGrants,
    TlsMode, TokenEndpoint, TokenGrant, TokenType,
};
use moneyer_identity::{CredentialName, ProviderName, SandboxId, SystemClock};
use moneyer_recording::{AuditError, LineLog, Lines, Recording};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::audit::GrantAudit;
use crate::coordinator::Occupant;
use crate::forward::caller::Caller;
use crate::forward::dial::Dialler;
use crate::forward::names::Names;
use crate::forward::permissions::Permissions;
use crate::forward::{ForwardProxy, InterceptionAuthority, Parts};
use crate::grant::{GrantError, GrantKey, TokenSource};
use crate::metrics::Metrics;
use crate::sandbox::{Credentials, SandboxSecret};

/// The token on every request that passes.
pub(super) const TOKEN: &str = "canary-of-the-fuzzer";

/// The name under which the upstream is reached.
const HOST: &str = "api.test";

/// Bytes on the way between the sandbox and the proxy.
const PIPE_BYTES: usize = 64 * 1024;

/// A proxy, a sandbox and an upstream.
pub struct Stand {
    runtime: Runtime,
    proxy: ForwardProxy,
    caller: Caller,
    port: u16,
    tokens: Arc<Counted>,
    upstream: Arc<Kept>,
}

/// What became of one input.
pub(super) struct Exchange {
    pub(super) sent: Vec<u8>,
    pub(super) answers: Vec<u8>,
    /// What each connection of the upstream received, in the order in which they were made.
    pub(super) received: Vec<Vec<u8>>,
    /// How many tokens were asked for.
    pub(super) tokens: usize,
    pub(super) authority: String,
}

impl Stand {
    /// Everything, with nothing sent yet.
    ///
    /// # Panics
    /// There is no socket or no randomness.
    #[expect(clippy::new_without_default, reason = "it opens sockets")]
    #[must_use]
    pub fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let upstream = Arc::new(Kept::default());
        let port = runtime.block_on(Kept::start(&upstream));
        let (tokens, credentials) = (Arc::new(Counted::default()), credentials());
        let caller = Caller::of(&presented(&credentials.1), &credentials.0).unwrap();
        let proxy = runtime.block_on(async {
            ForwardProxy::new(Parts {
                permissions: Arc::new(Fixed(Arc::new(grants(port)))),
                tokens: Arc::clone(&tokens) as _,
                credentials: credentials.0,
                dialler: Arc::new(Dialler::new(Loopback, &[]).unwrap()),
                authority: Arc::new(InterceptionAuthority::new(Arc::new(SystemClock)).unwrap()),
                tunnels: 16,
                connections: 16,
                audit: GrantAudit::new(Arc::new(Nothing), Arc::new(SystemClock)),
                shutdown: Shutdown::new(),
                metrics: Metrics::new(),
            })
        });
        Self { runtime, proxy, caller, port, tokens, upstream }
    }

    /// Sends an input, and waits until every connection of it is over.
    pub(super) fn exchange(&self, input: &[u8]) -> Option<Exchange> {
        let (kind, text) = input.split_first()?;
        let authority = format!("{HOST}:{}", self.port);
        let sent = replaced(text, b"{A}", authority.as_bytes());
        let sent = replaced(&sent, b"{P}", self.port.to_string().as_bytes());
        let sent = replaced(&sent, b"{C}", b"");
        let tunnel = (*kind == b'T').then_some(&*authority);
        self.tokens.0.store(0, Ordering::SeqCst);
        let (answers, received) = self.runtime.block_on(async {
            let answers = self.send(&sent, tunnel).await;
            (answers, self.upstream.all().await)
        });
        let tokens = self.tokens.0.load(Ordering::SeqCst);
        Some(Exchange { sent, answers, received, tokens, authority })
    }

    async fn send(&self, bytes: &[u8], tunnel: Option<&str>) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        let proxied = Proxied {
            router: self.proxy.router(Some(self.caller.clone())),
            limits: ForwardProxy::limits(),
            stop: self.proxy.parts.shutdown.token().clone(),
        };
        let peer = Peer::plain(PeerAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
        let serving = tokio::spawn(proxied.http1(server, peer));
        if let Some(authority) = tunnel {
            let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
            client.write_all(head.as_bytes()).await.unwrap();
            assert!(read_head(&mut client).await.starts_with(b"HTTP/1.1 200 "));
        }
        // It may be closed before all of it is read.
        client.write_all(bytes).await.ok();
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.ok();
        drop(client);
        serving.await.unwrap();
        answers
    }
}

async fn read_head(stream: &mut DuplexStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    head
}

fn replaced(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let (mut rest, mut replaced) = (text, Vec::with_capacity(text.len()));
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(what) {
            replaced.extend_from_slice(with);
            rest = after;
        } else {
            replaced.push(*first);
            rest = after;
        }
    }
    replaced
}

fn sandbox() -> SandboxId {
    SandboxId::parse("s").unwrap()
}

fn occupant() -> Occupant {
    Occupant { app: "web".to_owned(), app_uid: None, placement: None }
}

fn credentials() -> (Arc<Credentials>, SandboxSecret) {
    let secret = SandboxSecret::random().unwrap();
    let credentials = Arc::new(Credentials::new(SandboxSecret::random().unwrap()));
    credentials.insert(sandbox(), secret.clone(), occupant());
    (credentials, secret)
}

fn presented(secret: &SandboxSecret) -> HeaderMap {
    let basic = format!("Basic {}", STANDARD.encode(format!("s:{}", secret.expose())));
    HeaderMap::from_iter([(PROXY_AUTHORIZATION, HeaderValue::from_str(&basic).unwrap())])
}

/// Reading and writing below `/open/`, with a token.
fn grants(port: u16) -> SandboxGrants {
    let (host, path) = (HostPattern::parse(HOST).unwrap(), PathPattern::parse("/open/**").unwrap());
    let provider = ProviderName::parse("demo").unwrap();
    let endpoint = TokenEndpoint::parse("http://localhost:1/token").unwrap();
    let rule = EndpointRule {
        provider: provider.clone(),
        host: host.clone(),
        port,
        path: path.clone(),
        protocol: Protocol::Rest,
        access: Some(Access::ReadWrite),
        allow: Vec::new(),
        deny: Vec::new(),
        enforcement: Enforcement::Enforce,
        tls: TlsMode::Terminate,
        allowed_ips: vec![AddressRange::parse("127.0.0.1").unwrap()],
        allow_uninspected: false,
        redact_echo: false,
    };
    let grant = TokenGrant {
        provider,
        credential: CredentialName::parse("token").unwrap(),
        svid_audience: endpoint.default_svid_audience(),
        endpoint: Some(endpoint),
        kind: GrantKind::ClientCredentials,
        audience: None,
        scopes: Vec::new(),
        assertion_type: AssertionType::default(),
        cache_ttl: None,
        requested_token_type: TokenType::default(),
        placement: HeaderPlacement::default(),
    };
    let bindings = vec![Binding { host, port, path, grant }];
    SandboxGrants { revision: "1".to_owned(), endpoints: vec![rule], bindings }
}

struct Fixed(Arc<SandboxGrants>);

impl Permissions for Fixed {
    fn of(&self, asked: &SandboxId) -> Option<(Occupant, Arc<SandboxGrants>)> {
        (*asked == sandbox()).then(|| (occupant(), Arc::clone(&self.0)))
    }

    fn are_recent(&self) -> bool {
        true
    }
}

struct Loopback;

#[async_trait]
impl Names for Loopback {
    async fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }
}

/// How many tokens were asked for.
#[derive(Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl TokenSource for Counted {
    async fn token(
        &self,
        _key: GrantKey,
        _destination: &Destination,
    ) -> Result<Arc<BearerToken>, Arc<GrantError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(BearerToken::parse(TOKEN.to_owned()).unwrap()))
    }

    fn refused(&self, _key: &GrantKey, _token: &BearerToken) {}
}

/// A log that keeps nothing.
#[derive(Debug)]
struct Nothing;

impl LineLog for Nothing {
    fn append(&self, _lines: Lines) -> Result<Recording, AuditError> {
        let (_answer, answered) = oneshot::channel();
        Ok(Recording::new(answered, None))
    }

    fn health(&self) -> Result<(), AuditError> {
        Ok(())
    }
}

/// The upstream.
#[derive(Default)]
struct Kept {
    /// By the number of the connection, since the first to be made need not be the first to end.
    received: Mutex<BTreeMap<usize, Vec<u8>>>,
    /// Connections that are open.
    open: AtomicUsize,
}

impl Kept {
    async fn start(kept: &Arc<Self>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::clone(kept);
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let kept = Arc::clone(&kept);
                kept.open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let received = Self::serve(stream).await;
                    kept.received.lock().unwrap().insert(number, received);
                    kept.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        port
    }

    /// Answers whatever looks like the end of a head, and gives all that came.
    async fn serve(mut stream: TcpStream) -> Vec<u8> {
        let (mut received, mut answered) = (Vec::new(), 0);
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            received.extend_from_slice(&buffer[..count]);
            while let Some(end) = received[answered..].windows(4).position(|end| end == b"\r\n\r\n")
            {
                answered += end + 4;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(answer).await.ok();
            }
        }
        received
    }

    /// What came on every connection since this was last asked, once all are closed.
    async fn all(&self) -> Vec<Vec<u8>> {
        // Those that were made are taken in by then.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        while self.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        std::mem::take(&mut *self.received.lock().unwrap()).into_values().collect()
    }
}
