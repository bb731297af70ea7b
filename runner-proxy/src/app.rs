//! The wiring: the only place that picks implementations.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_audit::{AuditOptions, FileAudit};
use moneyer_daemon::backoff::jitter;
use moneyer_daemon::clock::time_asleep;
use moneyer_daemon::file::{self, FileLock, LockError, PrivateDirError};
use moneyer_daemon::lifecycle::{Drain, Shutdown};
use moneyer_daemon::listener::{BindError, Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::oauth::OAuthClient;
use moneyer_daemon::outbound::OutboundError;
use moneyer_daemon::telemetry;
use moneyer_daemon::tls::TlsError;
use moneyer_identity::Clock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::audit::GrantAudit;
use crate::config::Config;
use crate::control;
use crate::coordinator::{
    BundleWatch, BundlesError, CoordinatorClient, Heard, KnownBundles, KnownPlacement, Link,
    Member, MembershipError, PlacementError, Watch, keep_renewed,
};
use crate::forward::{
    AuthorityError, Dialler, ForwardProxy, InterceptionAuthority, Parts, Said, SystemNames,
    TrustFiles,
};
use crate::grant::{
    Assertions, Grantor, OwnAssertions, SocketAssertions, SubjectTokens, TokenCache,
};
use crate::metrics::Metrics;
use crate::operations::{self, Operations};
use crate::sandbox::{
    Attachments, Credentials, ForwardDoor, Roster, RosterError, SandboxSecret, SandboxSocket,
    SecretError, Workshop,
};
use crate::svid::SvidOffice;
use crate::token::server::{AllowedHosts, TokenServer};
use crate::token::{CacheLimits, Timeline, TokenFiles, TokenSource};
use crate::workload_api::{Profiles, ReflectionError, WorkloadApi};

/// Changes of placement that may wait to be acted on; past it the watch waits too.
const CHANGES: usize = 256;

/// Time for requests in flight at the end: a call to the coordinator takes at most 5 s.
const DRAIN: Duration = Duration::from_secs(10);

/// How often it is looked whether a minute of refusals is over.
const SETTLE_EVERY: Duration = Duration::from_secs(10);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory that has to be private is not, or cannot be made.
    #[error("cannot use the directories of [runner]")]
    Directory(#[source] PrivateDirError),
    /// The run directory cannot be made.
    #[error("cannot make {path}")]
    RunDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another runner proxy uses the same state.
    #[error("another runner proxy uses this state directory")]
    Locked(#[source] LockError),
    /// This host is no member of the cluster.
    #[error("this host is no runner of the cluster")]
    Membership(#[source] MembershipError),
    /// The coordinator's address cannot be used.
    #[error("coordinator.address cannot be used")]
    Address(#[source] tonic::transport::Error),
    /// What the coordinator said last cannot be read.
    #[error("cannot read what the coordinator said last")]
    Placement(#[source] PlacementError),
    /// The trust bundles cannot be read.
    #[error("cannot read the trust bundles")]
    Bundles(#[source] BundlesError),
    /// What the Workload API tells of itself cannot be read.
    #[error("cannot read the description of the Workload API")]
    Reflection(#[source] ReflectionError),
    /// The roster cannot be read.
    #[error("cannot read which sandboxes are attached")]
    Roster(#[source] RosterError),
    /// There is no randomness.
    #[error("cannot make secrets")]
    Random(#[source] SecretError),
    /// A listener cannot be opened.
    #[error("cannot open a listener")]
    Bind(#[source] BindError),
    /// A file of roots cannot be read.
    #[error("cannot read the roots in {path}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The client of token endpoints cannot be made.
    #[error("the roots of [grants] cannot be used")]
    TokenEndpoints(#[source] OutboundError),
    /// The client of upstreams cannot be made.
    #[error("the roots of [forward] cannot be used")]
    Upstreams(#[source] TlsError),
    /// The audit log refused or is damaged.
    #[error("the audit log cannot be opened")]
    Audit(#[source] moneyer_audit::OpenError),
    /// There is no authority to end TLS with.
    #[error("TLS cannot be ended for sandboxes")]
    Authority(#[source] AuthorityError),
    /// The token server is configured on something else than TCP.
    #[error("token_server.listen and forward.listen must be TCP addresses")]
    NotTcp,
}

/// A running runner proxy.
pub struct App {
    /// Where the token server listens.
    pub token_server_address: SocketAddr,
    /// Where the forward proxy listens, if it does.
    pub forward_address: Option<SocketAddr>,
    /// The control socket.
    pub control_socket: PathBuf,
    /// Where health and metrics are served, if they are.
    pub operations_address: Option<ListenAddress>,
    attachments: Arc<Attachments>,
    audit: Option<Recorded>,
    shutdown: Shutdown,
    _lock: FileLock,
}

/// The listeners, opened before anything runs, so that a taken address ends the start cleanly.
struct Listeners {
    tokens: Listener,
    tokens_address: SocketAddr,
    control: Listener,
    operations: Option<Listener>,
    forward: Option<(Listener, SocketAddr)>,
}

/// The audit log, where there is a forward proxy that writes it.
#[derive(Clone)]
struct Recorded {
    files: Arc<FileAudit>,
    grants: GrantAudit,
}

impl Recorded {
    fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let options = AuditOptions::new(config.audit.rotate_bytes, config.audit.reserve_bytes);
        let files = FileAudit::open(&config.audit_directory(), options);
        let files = Arc::new(files.map_err(StartError::Audit)?);
        let grants = GrantAudit::new(Arc::clone(&files) as _, clock);
        Ok(Self { files, grants })
    }

    /// Records counted refusals when their minute is over.
    async fn settle(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(SETTLE_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.grants.settle(false);
        }
    }

    async fn close(&self) {
        self.grants.settle(true);
        self.files.close().await;
    }
}

/// What is on disk from before.
struct Kept {
    member: Arc<Member>,
    placement: Arc<KnownPlacement>,
    bundles: Arc<KnownBundles>,
    roster: Roster,
}

impl Kept {
    fn read(config: &Config) -> Result<Self, StartError> {
        let state = &config.runner.state;
        let member = Member::read(&config.membership_file(), &config.coordinator.trust_domain)
            .map_err(StartError::Membership)?;
        let placement =
            KnownPlacement::read(&state.join("placement.json")).map_err(StartError::Placement)?;
        let bundles =
            KnownBundles::read(&state.join("bundles.json")).map_err(StartError::Bundles)?;
        let roster = Roster::read(&state.join("roster.json")).map_err(StartError::Roster)?;
        let (member, placement) = (Arc::new(member), Arc::new(placement));
        Ok(Self { member, placement, bundles: Arc::new(bundles), roster })
    }
}

impl App {
    /// Starts a runner proxy, within a Tokio runtime. It does not wait for the coordinator.
    pub fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let lock = prepare_directories(config)?;
        let Kept { member, placement, bundles, roster } = Kept::read(config)?;
        let link =
            Link::new(config.coordinator.address.as_str(), &member).map_err(StartError::Address)?;
        let listeners = open_listeners(config)?;
        let shutdown = Shutdown::new();

        let issuer = Arc::new(CoordinatorClient::new(Arc::clone(&link), Arc::clone(&placement)));
        let timeline = Timeline::new(time_asleep);
        // Before the first metric: one that is named earlier counts into nothing.
        let recorder = telemetry::metrics_recorder();
        let (metrics, files) = (Metrics::new(), Arc::new(TokenFiles::default()));
        let source = TokenSource::new(
            Arc::clone(&issuer) as _,
            Arc::clone(&files) as _,
            Arc::clone(&placement),
            (cache_limits(config), jitter),
            timeline.clone(),
            metrics.clone(),
        );
        let with = (timeline, Arc::clone(&clock), metrics.clone());
        let known = (Arc::clone(&placement), Arc::clone(&bundles));
        let workload_api = workload_api(config, &issuer, known, (&link, &source), &with)?;
        let nobody = SandboxSecret::random().map_err(StartError::Random)?;
        let server = TokenServer {
            source: source.clone(),
            credentials: Arc::new(Credentials::new(nobody)),
            placement: Arc::clone(&placement),
            hosts: Arc::new(allowed_hosts(config, listeners.tokens_address)),
        };
        let of = (&server, Arc::clone(&issuer) as _);
        let for_it = (&shutdown, link.connected());
        let forward = Forward::make(config, listeners.forward.as_ref(), of, for_it, with)?;
        let proxy = forward.as_ref().map(|forward| forward.proxy.clone());
        let audit = forward.as_ref().map(|forward| forward.audit.clone());
        let workshop = Workshop {
            directory: config.sandboxes_directory(),
            mount: config.sandboxes_mount(),
            token_server_url: config.token_server_url(listeners.tokens_address),
            jitter: config.tokens.jitter.duration(),
            link: Arc::clone(&link),
            placement: Arc::clone(&placement),
            files,
            source: source.clone(),
            credentials: Arc::clone(&server.credentials),
            sockets: sockets(config, server.clone(), workload_api, proxy.clone()),
            forward: forward.map(|forward| forward.door),
            shutdown: shutdown.clone(),
        };
        let attachments = Arc::new(Attachments::restore(workshop, roster));

        let app = Self {
            token_server_address: listeners.tokens_address,
            forward_address: listeners.forward.as_ref().map(|(_, address)| *address),
            control_socket: config.control_socket(),
            operations_address: listeners.operations.as_ref().map(|l| l.local_address().clone()),
            attachments: Arc::clone(&attachments),
            audit: audit.clone(),
            shutdown,
            _lock: lock,
        };
        app.serve(config, listeners, (&server, proxy.as_ref()), || Operations {
            recorder,
            metrics,
            connected: link.connected(),
            member: Arc::clone(&member),
            clock: Arc::clone(&clock),
            source: source.clone(),
            attachments: Arc::clone(&attachments),
            audit: audit.map(|audit| audit.files),
        });
        app.follow(&link, &member, placement, bundles);
        app.renew(&source, link, (member, clock));
        Ok(app)
    }

    fn serve(
        &self,
        config: &Config,
        listeners: Listeners,
        (server, proxy): (&TokenServer, Option<&ForwardProxy>),
        operations: impl FnOnce() -> Operations,
    ) {
        let limits = Limits {
            max_connections_per_ip: config.limits.connections_per_address,
            ..Limits::default()
        };
        self.listen("token server", listeners.tokens, server.on_tcp(), limits);
        if let Some((proxy, (listener, _))) = proxy.zip(listeners.forward) {
            let (router, shutdown) = (proxy.on_tcp(), self.shutdown.clone());
            let limits = Limits {
                max_connections_per_ip: config.limits.connections_per_address,
                ..ForwardProxy::limits()
            };
            self.shutdown.spawn("forward proxy", async move {
                listener.serve_proxy(router, limits, &shutdown).await;
            });
        }
        let control = control::router(Arc::clone(&self.attachments), proxy.cloned());
        self.listen("control", listeners.control, control, Limits::grpc());
        if let Some(listener) = listeners.operations {
            let router = operations::router(operations());
            self.listen("operations", listener, router, Limits::default());
        }
    }

    fn renew(
        &self,
        source: &TokenSource,
        link: Arc<Link>,
        (member, clock): (Arc<Member>, Arc<dyn Clock>),
    ) {
        let stop = self.shutdown.token().clone();
        let tokens = source.clone().renew(link.connected(), stop.clone());
        self.shutdown.spawn("renewal of tokens", tokens);
        self.shutdown.spawn("renewal of the certificate", keep_renewed(link, member, clock, stop));
    }

    fn listen(&self, name: &'static str, listener: Listener, router: axum::Router, limits: Limits) {
        let shutdown = self.shutdown.clone();
        self.shutdown.spawn(name, async move {
            listener.serve(router, limits, Tls::Off, &shutdown).await;
        });
    }

    fn follow(
        &self,
        link: &Arc<Link>,
        member: &Arc<Member>,
        placement: Arc<KnownPlacement>,
        bundles: Arc<KnownBundles>,
    ) {
        self.follow_bundles(link, bundles);
        let stop = self.shutdown.token();
        let (changes, received) = mpsc::channel(CHANGES);
        let attachments = Arc::clone(&self.attachments);
        let stopped = stop.clone();
        self.shutdown.spawn("placement", async move {
            attachments.follow(received, stopped).await;
        });
        let (kept, stopped) = (Arc::clone(&placement), stop.clone());
        self.shutdown.spawn("placement on disk", async move {
            kept.keep_on_disk(&stopped).await;
        });
        let (link, member) = (Arc::clone(link), Arc::clone(member));
        let watch = Watch { link, member, placement, changes };
        self.shutdown.spawn("watch", watch.follow(stop.clone()));
    }

    fn follow_bundles(&self, link: &Arc<Link>, bundles: Arc<KnownBundles>) {
        let (kept, stopped) = (Arc::clone(&bundles), self.shutdown.token().clone());
        self.shutdown.spawn("trust bundles on disk", async move {
            kept.keep_on_disk(&stopped).await;
        });
        let watch = BundleWatch { link: Arc::clone(link), bundles };
        self.shutdown.spawn("trust bundles", watch.follow(self.shutdown.token().clone()));
    }

    /// Ends it: requests in flight are answered, sockets removed. Nobody is detached; token files
    /// stay until they expire or the next start.
    pub async fn stop(self) {
        self.attachments.close().await;
        if let Drain::Abandoned(tasks) = self.shutdown.drain(DRAIN).await {
            tracing::warn!(tasks, "ended with requests in flight");
        }
        if let Some(audit) = &self.audit {
            audit.close().await;
        }
    }
}

fn prepare_directories(config: &Config) -> Result<FileLock, StartError> {
    file::create_private_dir(&config.runner.state).map_err(StartError::Directory)?;
    let lock = file::acquire_lock(&config.runner.state.join("lock")).map_err(StartError::Locked)?;
    std::fs::create_dir_all(&config.runner.run)
        .map_err(|source| StartError::RunDirectory { path: config.runner.run.clone(), source })?;
    file::create_private_dir(&config.sandboxes_directory()).map_err(StartError::Directory)?;
    Ok(lock)
}

fn open_listeners(config: &Config) -> Result<Listeners, StartError> {
    let bind = |address: &ListenAddress, setting: &str| {
        Listener::bind(address, UnixMode::Owner)
            .map_err(|error| StartError::Bind(error.for_setting(setting)))
    };
    let tokens = bind(&config.token_server.listen, "token_server.listen")?;
    let &ListenAddress::Tcp(tokens_address) = tokens.local_address() else {
        return Err(StartError::NotTcp);
    };
    let control = bind(&ListenAddress::Unix(config.control_socket()), "control.socket")?;
    let operations = config.operations.listen.as_ref();
    let operations = operations.map(|address| bind(address, "operations.listen")).transpose()?;
    let forward = config.forward.listen.as_ref();
    let forward = forward.map(|address| bind(address, "forward.listen")).transpose()?;
    let forward = forward.map(|listener| match *listener.local_address() {
        ListenAddress::Tcp(address) => Ok((listener, address)),
        ListenAddress::Unix(_) => Err(StartError::NotTcp),
    });
    let forward = forward.transpose()?;
    Ok(Listeners { tokens, tokens_address, control, operations, forward })
}

/// The forward proxy, and how sandboxes find it.
struct Forward {
    proxy: ForwardProxy,
    door: ForwardDoor,
    audit: Recorded,
}

impl Forward {
    fn make(
        config: &Config,
        listener: Option<&(Listener, SocketAddr)>,
        (server, subjects): (&TokenServer, Arc<dyn SubjectTokens>),
        (shutdown, connected): (&Shutdown, watch::Receiver<bool>),
        (timeline, clock, metrics): (Timeline, Arc<dyn Clock>, Metrics),
    ) -> Result<Option<Self>, StartError> {
        let Some((_, bound)) = listener else { return Ok(None) };
        let audit = Recorded::open(config, Arc::clone(&clock))?;
        let stop = shutdown.token().clone();
        shutdown.spawn("counted refusals", audit.clone().settle(stop));
        keep_measurements(shutdown);
        let heard = (connected, Arc::clone(&clock), timeline.clone());
        let said = said(config, &server.placement, heard, shutdown);
        let assertions = assertions(config, &server.placement, &server.source);
        let client = OAuthClient::new(read_roots(&config.grants.roots)?);
        let client = client.map_err(StartError::TokenEndpoints)?;
        let grantor = Grantor { assertions, subjects, client, clock: Arc::clone(&clock) };
        let tokens = TokenCache::new(grantor, audit.grants.clone(), timeline, metrics.clone());
        let authority = InterceptionAuthority::new(clock).map_err(StartError::Authority)?;
        let trust = TrustFiles::of(&authority);
        let roots = read_roots(&config.forward.roots)?;
        let dialler = Dialler::new(SystemNames, &roots).map_err(StartError::Upstreams)?;
        let proxy = ForwardProxy::new(Parts {
            permissions: Arc::new(said),
            tokens: Arc::new(tokens.clone()),
            credentials: Arc::clone(&server.credentials),
            dialler: Arc::new(dialler),
            authority: Arc::new(authority),
            tunnels: config.forward.tunnels_per_sandbox,
            audit: audit.grants.clone(),
            connections: config.forward.connections_per_sandbox,
            shutdown: shutdown.clone(),
            metrics,
        });
        let door = ForwardDoor { address: config.forward_address(*bound), trust, tokens };
        Ok(Some(Self { proxy, door, audit }))
    }
}

/// Folds the times of requests together, which else grow where nobody looks at the metrics.
fn keep_measurements(shutdown: &Shutdown) {
    let stop = shutdown.token().clone();
    shutdown.spawn("upkeep of metrics", async move {
        let upkeep = telemetry::upkeep(telemetry::metrics_recorder());
        stop.run_until_cancelled(upkeep).await;
    });
}

fn read_roots(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, StartError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| StartError::Roots { path: path.clone(), source })
    };
    files.iter().map(read).collect()
}

/// What every sandbox's socket serves.
fn workload_api(
    config: &Config,
    issuer: &Arc<CoordinatorClient>,
    (placement, bundles): (Arc<KnownPlacement>, Arc<KnownBundles>),
    (link, source): (&Link, &TokenSource),
    (timeline, clock, metrics): &(Timeline, Arc<dyn Clock>, Metrics),
) -> Result<WorkloadApi, StartError> {
    let renewal = (jitter as fn(Duration) -> Duration, config.tokens.jitter.duration());
    let heard = (Arc::clone(&bundles), link.connected());
    let (signer, timeline) = (Arc::clone(issuer) as _, timeline.clone());
    Ok(WorkloadApi {
        placement,
        bundles,
        source: source.clone(),
        svids: SvidOffice::new(signer, heard, renewal, timeline, metrics.clone()),
        users: config.sandboxes.users.clone().into(),
        clock: Arc::clone(clock),
        metrics: metrics.clone(),
        profiles: Profiles::new(config.workload_api).map_err(StartError::Reflection)?,
    })
}

/// What sandboxes may do, for as long as it stands.
fn said(
    config: &Config,
    placement: &Arc<KnownPlacement>,
    (connected, clock, timeline): (watch::Receiver<bool>, Arc<dyn Clock>, Timeline),
    shutdown: &Shutdown,
) -> Said {
    let path = config.runner.state.join("heard.json");
    let heard = Heard::read(&path, connected, clock, timeline);
    shutdown.spawn("when it was heard", Arc::clone(&heard).keep(shutdown.token().clone()));
    let max_age = config.grants.max_age.duration();
    Said { placement: Arc::clone(placement), heard, max_age }
}

/// Where the assertions of grants come from.
fn assertions(
    config: &Config,
    placement: &Arc<KnownPlacement>,
    source: &TokenSource,
) -> Arc<dyn Assertions> {
    if let Some(path) = &config.grants.workload_api_socket {
        return Arc::new(SocketAssertions { path: path.clone() });
    }
    Arc::new(OwnAssertions { placement: Arc::clone(placement), source: source.clone() })
}

/// What each sandbox has in its directory.
fn sockets(
    config: &Config,
    server: TokenServer,
    api: WorkloadApi,
    proxy: Option<ForwardProxy>,
) -> Vec<SandboxSocket> {
    let mut sockets = vec![token_socket(config, server), workload_api_socket(config, api)];
    sockets.extend(proxy.map(|proxy| SandboxSocket {
        name: ForwardProxy::SOCKET,
        limits: Limits {
            max_connections: config.limits.connections_per_sandbox,
            ..ForwardProxy::limits()
        },
        is_proxy: true,
        router_for: Box::new(move |stay| proxy.on_socket_of(stay)),
    }));
    sockets
}

/// The token server's socket in each sandbox's directory.
fn token_socket(config: &Config, server: TokenServer) -> SandboxSocket {
    SandboxSocket {
        name: TokenServer::SOCKET,
        limits: Limits {
            max_connections: config.limits.connections_per_sandbox,
            ..Limits::default()
        },
        is_proxy: false,
        router_for: Box::new(move |stay| server.on_socket_of(stay.sandbox().clone())),
    }
}

/// The Workload API's socket in each sandbox's directory.
fn workload_api_socket(config: &Config, api: WorkloadApi) -> SandboxSocket {
    SandboxSocket {
        name: WorkloadApi::SOCKET,
        limits: WorkloadApi::limits(config.limits.connections_per_sandbox),
        is_proxy: false,
        router_for: Box::new(move |stay| api.on_socket_of(stay)),
    }
}

fn cache_limits(config: &Config) -> CacheLimits {
    CacheLimits {
        per_sandbox: config.limits.cached_tokens_per_sandbox,
        total: config.limits.cached_tokens,
        under_way: config.limits.requests_under_way_per_sandbox,
        jitter: config.tokens.jitter.duration(),
    }
}

fn allowed_hosts(config: &Config, bound: SocketAddr) -> AllowedHosts {
    let own = match bound {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let named = config.token_server.hosts.iter().cloned();
    AllowedHosts::with(named.chain(config.token_server_host()).chain([own]))
}
