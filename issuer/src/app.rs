//! Wiring: the only place that picks implementations.
//!
//! [`App::start`] opens the store, brings up the authority, binds every listener and returns the bound
//! addresses; nothing answers before all of it stands. [`App::stop`] turns readiness off, lets what is
//! open finish, and closes the store.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::enrollment::CertificateError;
use moneyer_authority::{Authority, Charter, OpenError, Ports};
use moneyer_daemon::lifecycle::{Drain, Shutdown};
use moneyer_daemon::listener::{BindError, Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsError, TlsIdentity};
use moneyer_identity::Clock;
use moneyer_signer::{LocalSigner, PoolLimits};
use moneyer_store::{SledOptions, SledStore};

use crate::config::Config;
use crate::grpc::{self, GrpcParts};
use crate::http::management::{self, ManagementState};
use crate::http::public::{self, PublicDocuments, RenderError};
use crate::http::{Operators, operations};
use crate::metrics::Metrics;

/// The ALPN protocol of a connection that has no certificate yet and wants one.
const JOINING: &[u8] = b"moneyer-join/1";

/// Time that open requests get to finish. Minting takes milliseconds.
const DRAIN: Duration = Duration::from_secs(10);

/// Time before another try to make the coordinator's own certificate.
const CERTIFICATE_RETRY: Duration = Duration::from_secs(60);

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store refused or is damaged.
    #[error(transparent)]
    Store(moneyer_store::OpenError),
    /// The signing threads did not start.
    #[error("the signing threads could not be started")]
    Signer(#[source] std::io::Error),
    /// The authority did not come up.
    #[error(transparent)]
    Authority(OpenError),
    /// An address could not be had.
    #[error(transparent)]
    Bind(BindError),
    /// The coordinator's own certificate could not be made.
    #[error("the coordinator's own certificate could not be made")]
    Certificate(#[source] CertificateError),
    /// The coordinator's own certificate could not be used.
    #[error("the coordinator's own certificate could not be used")]
    Tls(#[source] TlsError),
    /// The public documents could not be rendered.
    #[error("the public documents could not be rendered")]
    Documents(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<RenderError> for StartError {
    fn from(error: RenderError) -> Self {
        Self::Documents(Box::new(error))
    }
}

/// Where a coordinator really listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Discovery and key set.
    pub public: ListenAddress,
    /// gRPC over mTLS.
    pub grpc: ListenAddress,
    /// Health and metrics.
    pub operations: ListenAddress,
    /// The management API.
    pub management: ListenAddress,
}

/// A running coordinator.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    authority: Authority,
    store: Arc<SledStore>,
    shutdown: Shutdown,
}

struct Listeners {
    public: Listener,
    grpc: Listener,
    operations: Listener,
    management: Listener,
}

impl App {
    /// Starts a coordinator.
    pub async fn start(
        config: &Config,
        charter: Charter,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let path = config.store.path.clone();
        let store =
            tokio::task::spawn_blocking(move || SledStore::open(&path, &SledOptions::default()))
                .await
                .map_err(|error| StartError::Documents(error.into()))?
                .map_err(StartError::Store)?;
        let store = Arc::new(store);
        let started = Self::start_on(config, charter, clock, store.clone()).await;
        if started.is_err() {
            store.close().await;
        }
        started
    }

    async fn start_on(
        config: &Config,
        charter: Charter,
        clock: Arc<dyn Clock>,
        store: Arc<SledStore>,
    ) -> Result<Self, StartError> {
        let signer = LocalSigner::start(pool_limits(config)).map_err(StartError::Signer)?;
        // Bound first: a taken port is told before a key is made.
        let listeners = Listeners::bind(config)?;
        let ports = Ports { store: store.clone(), signer: Arc::new(signer), clock };
        let authority = Authority::open(charter, ports).await.map_err(StartError::Authority)?;
        let shutdown = Shutdown::new();
        let addresses = listeners.addresses();
        serve(config, &authority, listeners, &shutdown)?;
        Ok(Self { addresses, authority, store, shutdown })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Its authority, for callers in the same process.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Takes no more work, lets what is open finish, and closes the store.
    pub async fn stop(self) {
        if let Drain::Abandoned(tasks) = self.shutdown.drain(DRAIN).await {
            tracing::warn!(tasks, "some requests did not finish in time and were cut off");
        }
        self.store.close().await;
    }
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let listen = &config.listen;
        let bind = |address: &ListenAddress, mode, setting| {
            Listener::bind(address, mode)
                .map_err(|error| StartError::Bind(error.for_setting(setting)))
        };
        Ok(Self {
            public: bind(&listen.public, UnixMode::Everyone, "listen.public")?,
            grpc: bind(&listen.grpc, UnixMode::Owner, "listen.grpc")?,
            operations: bind(&listen.operations, UnixMode::Owner, "listen.operations")?,
            management: bind(&listen.management, management_mode(config), "listen.management")?,
        })
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            public: self.public.local_address().clone(),
            grpc: self.grpc.local_address().clone(),
            operations: self.operations.local_address().clone(),
            management: self.management.local_address().clone(),
        }
    }
}

/// Where other users are operators, anyone may connect and the peer's user id decides.
fn management_mode(config: &Config) -> UnixMode {
    if config.listen.operators.is_empty() { UnixMode::Owner } else { UnixMode::Everyone }
}

fn pool_limits(config: &Config) -> PoolLimits {
    let default = PoolLimits::default();
    PoolLimits {
        threads: config.keys.threads.unwrap_or(default.threads),
        queue: config.limits.signer_queue,
    }
}

fn serve(
    config: &Config,
    authority: &Authority,
    listeners: Listeners,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let recorder = moneyer_daemon::telemetry::metrics_recorder();
    let metrics = Metrics::new(recorder.clone());
    let going_down = shutdown.token().clone();
    let max_age = Duration::from_secs(config.keys.max_age.as_secs());
    let documents = PublicDocuments::new(&authority.published(), max_age)?;
    let public = public::router(&config.issuer, documents.clone());
    let operations = operations::router(authority.clone(), metrics.clone(), going_down.clone());
    let operators = Operators {
        own_uid: rustix::process::geteuid().as_raw(),
        uids: config.listen.operators.clone().into(),
    };
    let management =
        management::router(ManagementState { authority: authority.clone(), operators });
    let limits = grpc::MintLimits::new(&config.limits);
    let parts =
        GrpcParts { authority: authority.clone(), limits: limits.clone(), metrics, going_down };
    let tls = coordinator_tls(authority)?;

    let limited = |limits| Limits {
        max_connections: config.limits.connections,
        max_connections_per_ip: config.limits.connections_per_address,
        ..limits
    };
    let plain = || (limited(Limits::default()), Tls::Off);
    run(shutdown, "public listener", listeners.public, public, plain());
    run(shutdown, "operations listener", listeners.operations, operations, plain());
    run(shutdown, "management listener", listeners.management, management, plain());
    let grpc = (limited(Limits::grpc()), Tls::On(tls.clone()));
    run(shutdown, "grpc listener", listeners.grpc, grpc::router(parts), grpc);

    let stop = shutdown.token().clone();
    let renewal = renew_certificate(authority.clone(), tls);
    shutdown.spawn("certificate renewal", until(stop.clone(), renewal));
    shutdown.spawn("mint limits", until(stop.clone(), limits.sweep()));
    let upkeep = moneyer_daemon::telemetry::upkeep(recorder);
    shutdown.spawn("metrics", until(stop.clone(), upkeep));
    shutdown.spawn("documents", until(stop, republish(authority.clone(), documents)));
    Ok(())
}

fn run(
    shutdown: &Shutdown,
    name: &'static str,
    listener: Listener,
    router: axum::Router,
    (limits, tls): (Limits, Tls),
) {
    let within = shutdown.clone();
    shutdown.spawn(name, async move { listener.serve(router, limits, tls, &within).await });
}

async fn until(stop: tokio_util::sync::CancellationToken, work: impl Future<Output = ()> + Send) {
    stop.run_until_cancelled(work).await;
}

fn coordinator_tls(authority: &Authority) -> Result<ServerTls, StartError> {
    let cluster = authority.enrollment().authority();
    let certificate =
        cluster.certify_coordinator(authority.now()).map_err(StartError::Certificate)?;
    let chain = certificate.chain.into_iter().map(Into::into).collect();
    let identity = TlsIdentity::new(chain, certificate.key.to_vec().into());
    let authorities = vec![cluster.certificate().to_vec().into()];
    ServerTls::mutual(&authorities, &identity)
        .and_then(|tls| tls.with_joining(JOINING))
        .map_err(StartError::Tls)
}

/// Makes the coordinator a new certificate well before the old one ends.
async fn renew_certificate(authority: Authority, tls: ServerTls) {
    let mut wait = moneyer_authority::enrollment::COORDINATOR_RENEWAL;
    loop {
        tokio::time::sleep(wait).await;
        match coordinator_tls(&authority) {
            Ok(fresh) => {
                tls.replace(&fresh);
                wait = moneyer_authority::enrollment::COORDINATOR_RENEWAL;
            }
            Err(error) => {
                let cause = crate::chain(&error);
                tracing::error!(
                    error.cause = cause,
                    "the coordinator's certificate was not renewed"
                );
                wait = CERTIFICATE_RETRY;
            }
        }
    }
}

/// Renders the public documents anew when the ring has changed.
async fn republish(authority: Authority, documents: PublicDocuments) {
    let mut changes = authority.keys().changes();
    while changes.changed().await.is_ok() {
        if let Err(error) = documents.replace(&authority.published()) {
            let cause = crate::chain(&error);
            tracing::error!(error.cause = cause, "the public documents could not be rendered");
        }
    }
}
