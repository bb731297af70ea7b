//! A proxy with everything around it: names, permissions, tokens, an upstream that remembers every byte.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Stream, UnixMode};
use moneyer_daemon::oauth::TokenEndpointError;
use moneyer_daemon::tls::{ServerTls, TlsIdentity, WebAlpn, WebConnection, WebTls};
use moneyer_identity::grant::{
    Access, AddressRange, AssertionType, BearerToken, Binding, Destination, EndpointRule,
    Enforcement, GrantKind, HeaderPlacement, HostPattern, PathPattern, Protocol, SandboxGrants,
    TlsMode, TokenEndpoint, TokenGrant, TokenType,
};
use moneyer_identity::{
    Audience, CredentialName, ErrorClass, ProviderName, SandboxId, SystemClock,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::coordinator::Occupant;
use crate::fakes::{FakeLines, sandbox};
use crate::forward::dial::Dialler;
use crate::forward::names::Names;
use crate::forward::permissions::Permissions;
use crate::forward::{ForwardProxy, InterceptionAuthority, Parts};
use crate::grant::{AssertionError, GrantError, GrantKey, TokenSource};
use crate::metrics::Metrics;
use crate::sandbox::{Credentials, SandboxSecret};

/// Far above everything that a test waits for.
pub(in crate::forward) const SOON: Duration = Duration::from_secs(20);

/// Connections that have not said whose they are.
pub(in crate::forward) const STRANGERS: usize = 8;

/// The name under which the upstream is reached.
pub(in crate::forward) const HOST: &str = "api.test";

/// Gives numbered tokens, or none.
#[derive(Default)]
pub(in crate::forward) struct FakeTokens {
    pub(in crate::forward) asked: Mutex<Vec<GrantKey>>,
    pub(in crate::forward) refused: Mutex<Vec<String>>,
    pub(in crate::forward) fails: Mutex<Option<ErrorClass>>,
    /// What to do before a token is given.
    pub(in crate::forward) meanwhile: Mutex<Option<Box<dyn Fn() + Send>>>,
}

#[async_trait]
impl TokenSource for FakeTokens {
    async fn token(
        &self,
        key: GrantKey,
        _destination: &Destination,
    ) -> Result<Arc<BearerToken>, Arc<GrantError>> {
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().as_ref() {
            meanwhile();
        }
        let credential = key.grant.credential.as_str().to_owned();
        let mut asked = self.asked.lock().unwrap();
        asked.push(key);
        match *self.fails.lock().unwrap() {
            Some(ErrorClass::Unavailable) => {
                Err(Arc::new(GrantError::Assertion(AssertionError::Unknown)))
            }
            Some(_) => Err(Arc::new(GrantError::Endpoint(TokenEndpointError::Expired))),
            None => {
                let text = format!("canary-{credential}-{}", asked.len());
                Ok(Arc::new(BearerToken::parse(text).unwrap()))
            }
        }
    }

    fn refused(&self, _key: &GrantKey, token: &BearerToken) {
        self.refused.lock().unwrap().push(token.expose().to_owned());
    }
}

#[derive(Default)]
pub(in crate::forward) struct FakePermissions {
    placed: Mutex<HashMap<SandboxId, (Occupant, Arc<SandboxGrants>)>>,
    /// Whether they are too old.
    pub(in crate::forward) are_old: AtomicBool,
}

impl FakePermissions {
    pub(in crate::forward) fn set(&self, id: &str, grants: SandboxGrants) {
        self.set_of(id, Occupant::of_app("web"), grants);
    }

    pub(in crate::forward) fn set_of(&self, id: &str, who: Occupant, grants: SandboxGrants) {
        self.placed.lock().unwrap().insert(sandbox(id), (who, Arc::new(grants)));
    }

    pub(in crate::forward) fn clear(&self) {
        self.placed.lock().unwrap().clear();
    }
}

impl Permissions for FakePermissions {
    fn of(&self, sandbox: &SandboxId) -> Option<(Occupant, Arc<SandboxGrants>)> {
        self.placed.lock().unwrap().get(sandbox).cloned()
    }

    fn are_recent(&self) -> bool {
        !self.are_old.load(Ordering::SeqCst)
    }
}

/// Leads every name where it is told, and counts.
#[derive(Clone)]
pub(in crate::forward) struct FakeNames {
    pub(in crate::forward) leads_to: Arc<Mutex<Vec<IpAddr>>>,
    pub(in crate::forward) asked: Arc<AtomicUsize>,
    /// The addresses of this host, but for loopback.
    pub(in crate::forward) own: Arc<Mutex<Vec<IpAddr>>>,
}

#[async_trait]
impl Names for FakeNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if name == "nowhere.test" {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.leads_to.lock().unwrap().clone())
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own.lock().unwrap().contains(&address)
    }
}

/// An authority that signs the upstream's certificates.
pub(in crate::forward) struct WebAuthority(CertifiedIssuer<'static, KeyPair>);

impl WebAuthority {
    pub(in crate::forward) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the web");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(in crate::forward) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    pub(in crate::forward) fn server(&self, host: &str) -> ServerTls {
        self.server_of(&CertificateParams::new(vec![host.to_owned()]).unwrap())
    }

    /// One whose certificate ended in 2020.
    pub(in crate::forward) fn expired_server(&self, host: &str) -> ServerTls {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.server_of(&params)
    }

    /// One that lets nobody in without a certificate of this authority.
    pub(in crate::forward) fn demanding_server(&self, host: &str) -> ServerTls {
        let identity = self.identity(&CertificateParams::new(vec![host.to_owned()]).unwrap());
        ServerTls::mutual(&[self.0.der().clone()], &identity).unwrap()
    }

    fn server_of(&self, params: &CertificateParams) -> ServerTls {
        ServerTls::server_only(&self.identity(params)).unwrap()
    }

    fn identity(&self, params: &CertificateParams) -> TlsIdentity {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        TlsIdentity::new(vec![leaf.der().clone()], key)
    }
}

/// An upstream that answers every request alike and remembers every byte.
#[derive(Clone)]
pub(in crate::forward) struct FakeUpstream {
    pub(in crate::forward) address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    pub(in crate::forward) connections: Arc<AtomicUsize>,
    answer: Arc<Mutex<Vec<u8>>>,
    /// How long it thinks before it answers.
    pub(in crate::forward) thinks: Arc<Mutex<Duration>>,
}

pub(in crate::forward) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

impl FakeUpstream {
    /// One that speaks HTTP/1.1, encrypted or not.
    pub(in crate::forward) async fn start(tls: Option<ServerTls>) -> Self {
        let tls = tls.map(|tls| tls.http1_only());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            connections: Arc::default(),
            answer: Arc::new(Mutex::new(OK.as_bytes().to_vec())),
            thinks: Arc::default(),
        };
        let own = upstream.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                own.connections.fetch_add(1, Ordering::SeqCst);
                let (own, tls) = (own.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => own.serve(tcp).await,
                        Some(tls) => {
                            if let Ok(terminated) = tls.terminate(tcp).await {
                                own.serve(terminated.stream).await;
                            }
                        }
                    }
                });
            }
        });
        upstream
    }

    pub(in crate::forward) fn answer_with(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.as_bytes().to_vec();
    }

    pub(in crate::forward) fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    pub(in crate::forward) fn forget(&self) {
        self.received.lock().unwrap().clear();
    }

    async fn serve(&self, mut stream: impl Stream) {
        let mut buffer = vec![0; 64 * 1024];
        let mut pending = Vec::new();
        loop {
            let count = match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            self.received.lock().unwrap().extend_from_slice(&buffer[..count]);
            pending.extend_from_slice(&buffer[..count]);
            while let Some(end) = pending.windows(4).position(|part| part == b"\r\n\r\n") {
                pending.drain(..end + 4);
                let thinks = *self.thinks.lock().unwrap();
                if !thinks.is_zero() {
                    tokio::time::sleep(thinks).await;
                }
                let answer = self.answer.lock().unwrap().clone();
                if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What one sandbox may do with `HOST` at a port.
pub(crate) fn rule(port: u16) -> EndpointRule {
    EndpointRule {
        provider: ProviderName::parse("demo").unwrap(),
        host: HostPattern::parse(HOST).unwrap(),
        port,
        path: PathPattern::parse("").unwrap(),
        protocol: Protocol::Rest,
        access: Some(Access::ReadWrite),
        allow: Vec::new(),
        deny: Vec::new(),
        enforcement: Enforcement::Enforce,
        tls: TlsMode::Terminate,
        allowed_ips: vec![AddressRange::parse("127.0.0.1").unwrap()],
        allow_uninspected: false,
        redact_echo: false,
    }
}

pub(in crate::forward) fn binding(
    port: u16,
    credential: &str,
    placement: HeaderPlacement,
) -> Binding {
    let endpoint = TokenEndpoint::parse("http://localhost:1/token").unwrap();
    Binding {
        host: HostPattern::parse(HOST).unwrap(),
        port,
        path: PathPattern::parse("").unwrap(),
        grant: TokenGrant {
            provider: ProviderName::parse("demo").unwrap(),
            credential: CredentialName::parse(credential).unwrap(),
            svid_audience: endpoint.default_svid_audience(),
            endpoint: Some(endpoint),
            kind: GrantKind::ClientCredentials,
            audience: Audience::parse("alpha").ok(),
            scopes: Vec::new(),
            assertion_type: AssertionType::default(),
            cache_ttl: None,
            requested_token_type: TokenType::default(),
            placement,
        },
    }
}

pub(in crate::forward) fn grants(revision: &str, port: u16) -> SandboxGrants {
    SandboxGrants {
        revision: revision.to_owned(),
        endpoints: vec![rule(port)],
        bindings: vec![binding(port, "token", HeaderPlacement::default())],
    }
}

/// How much one sandbox may have open.
#[derive(Clone, Copy)]
pub(in crate::forward) struct Room {
    pub(in crate::forward) tunnels: usize,
    pub(in crate::forward) connections: usize,
    /// Connections that have not said whose they are, of its address.
    pub(in crate::forward) strangers: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { tunnels: 4, connections: 4, strangers: STRANGERS }
    }
}

/// All of it.
pub(in crate::forward) struct World {
    pub(in crate::forward) proxy: ForwardProxy,
    pub(in crate::forward) address: SocketAddr,
    pub(in crate::forward) recorded: Arc<FakeLines>,
    pub(in crate::forward) tokens: Arc<FakeTokens>,
    pub(in crate::forward) permissions: Arc<FakePermissions>,
    pub(in crate::forward) names: FakeNames,
    pub(in crate::forward) upstream: FakeUpstream,
    pub(in crate::forward) credentials: Arc<Credentials>,
    pub(in crate::forward) secret: SandboxSecret,
}

impl World {
    /// One whose upstream speaks plain HTTP.
    pub(in crate::forward) async fn plain() -> Self {
        Self::start(false).await
    }

    /// One whose upstream speaks HTTPS.
    pub(in crate::forward) async fn encrypted() -> Self {
        Self::start(true).await
    }

    async fn start(encrypted: bool) -> Self {
        let web = WebAuthority::new();
        let tls = encrypted.then(|| web.server(HOST));
        let upstream = FakeUpstream::start(tls).await;
        Self::before(upstream, &web)
    }

    /// One before this upstream, which it trusts by this authority.
    pub(in crate::forward) fn before(upstream: FakeUpstream, web: &WebAuthority) -> Self {
        let tokens = Arc::new(FakeTokens::default());
        Self::with(upstream, web, Arc::clone(&tokens) as _, Room::default()).giving(tokens)
    }

    /// One before an upstream that is served elsewhere, at this address.
    pub(in crate::forward) async fn at(address: SocketAddr, web: &WebAuthority) -> Self {
        let upstream = FakeUpstream { address, ..FakeUpstream::start(None).await };
        Self::before(upstream, web)
    }

    fn giving(self, tokens: Arc<FakeTokens>) -> Self {
        Self { tokens, ..self }
    }

    /// The same with tokens from elsewhere, and room for so much.
    pub(in crate::forward) fn with(
        upstream: FakeUpstream,
        web: &WebAuthority,
        source: Arc<dyn TokenSource>,
        room: Room,
    ) -> Self {
        let leads_to = Arc::new(Mutex::new(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        let names = FakeNames { leads_to, asked: Arc::default(), own: Arc::default() };
        let (tokens, permissions) = (Arc::default(), Arc::new(FakePermissions::default()));
        permissions.set("s", grants("1", upstream.address.port()));
        let secret = SandboxSecret::random().unwrap();
        let credentials = Arc::new(Credentials::new(SandboxSecret::random().unwrap()));
        credentials.insert(sandbox("s"), secret.clone(), Occupant::of_app("web"));
        let shutdown = Shutdown::new();
        let (recorded, audit) = FakeLines::audit();
        let proxy = ForwardProxy::new(Parts {
            permissions: Arc::clone(&permissions) as _,
            tokens: source,
            credentials: Arc::clone(&credentials),
            dialler: Arc::new(Dialler::new(names.clone(), &[web.pem()]).unwrap()),
            authority: Arc::new(InterceptionAuthority::new(Arc::new(SystemClock)).unwrap()),
            tunnels: room.tunnels,
            audit,
            connections: room.connections,
            shutdown: shutdown.clone(),
            metrics: Metrics::new(),
        });
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let router = proxy.on_tcp();
        let limits = Limits { max_connections_per_ip: room.strangers, ..ForwardProxy::limits() };
        tokio::spawn(async move { listener.serve_proxy(router, limits, &shutdown).await });
        Self { proxy, address, recorded, tokens, permissions, names, upstream, credentials, secret }
    }

    pub(in crate::forward) fn port(&self) -> u16 {
        self.upstream.address.port()
    }

    /// `api.test:port`.
    pub(in crate::forward) fn authority(&self) -> String {
        format!("{HOST}:{}", self.port())
    }

    /// The line with the sandbox's credentials.
    pub(in crate::forward) fn credentials_line(&self) -> String {
        let pair = STANDARD.encode(format!("s:{}", self.secret.expose()));
        format!("Proxy-Authorization: Basic {pair}\r\n")
    }

    /// A plain GET of a path with these lines beside the usual ones.
    pub(in crate::forward) async fn get(&self, path: &str, lines: &str) -> String {
        let (authority, credentials) = (self.authority(), self.credentials_line());
        let head = format!("GET http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\n");
        self.exchange(&format!("{head}{credentials}{lines}\r\n")).await
    }

    /// Sends a request and reads one answer.
    pub(in crate::forward) async fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    /// Asks for a tunnel; gives it where it is opened, else the answer.
    pub(in crate::forward) async fn connect(&self, authority: &str) -> Result<TcpStream, String> {
        let credentials = self.credentials_line();
        let head =
            format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_head(&mut stream).await;
        if answer.starts_with("HTTP/1.1 200") { Ok(stream) } else { Err(answer) }
    }

    /// A tunnel with TLS in it, as a client has it that trusts the proxy's authority.
    pub(in crate::forward) async fn tunnel(&self, alpn: WebAlpn) -> WebConnection {
        let tunnel = self.connect(&self.authority()).await.unwrap();
        self.trusting().connect(HOST, tunnel, alpn).await.unwrap()
    }

    pub(in crate::forward) fn trusting(&self) -> WebTls {
        WebTls::new(&[self.proxy.parts.authority.pem().into_bytes()]).unwrap()
    }

    /// That nothing was asked for and nothing reached the upstream.
    pub(in crate::forward) fn assert_untouched(&self, case: &str) {
        assert_eq!(self.tokens.asked.lock().unwrap().len(), 0, "a token was asked for: {case}");
        assert_eq!(self.upstream.received(), "", "bytes reached the upstream: {case}");
    }
}

pub(in crate::forward) async fn read_to_close(mut stream: impl Stream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    // A reset is a close, too.
    drop(read.expect("the proxy did not close"));
    String::from_utf8_lossy(&answer).into_owned()
}

pub(in crate::forward) async fn read_head(stream: &mut (impl Stream + ?Sized)) -> String {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_closed) => break,
            }
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("no answer came");
    String::from_utf8_lossy(&head).into_owned()
}

/// Reads an answer whose length is said.
pub(in crate::forward) async fn read_answer(stream: &mut (impl Stream + ?Sized)) -> String {
    let mut answer = read_head(stream).await;
    let length = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut body)).await;
    read.expect("no body came").unwrap();
    answer.push_str(&String::from_utf8_lossy(&body));
    answer
}

pub(in crate::forward) fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("closed")
}
