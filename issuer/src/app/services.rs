//! What a coordinator does once it stands: its listeners and its background work.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use moneyer_authority::Authority;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, Listener, Tls};
use moneyer_daemon::oauth::OAuthClient;
use moneyer_daemon::tls::ServerTls;

use crate::app::certificate::{certify_coordinator, renew_certificate};
use crate::app::coordinator::Kept;
use crate::app::error::StartError;
use crate::app::following::follow;
use crate::app::listeners::Listeners;
use crate::app::rotation::{follow_bundle, republish, rotate};
use crate::config::Config;
use crate::delegation::DelegationDesk;
use crate::documents::{DocumentRules, PublicDocuments};
use crate::exchange::{ExchangeDesk, ExchangeShares, Subjects};
use crate::federation::Fetcher;
use crate::grpc::{self, GrpcParts};
use crate::http::exchange::{self, ExchangeState};
use crate::http::management::{self, ManagementState};
use crate::http::operations::{self, Watched};
use crate::http::public;
use crate::http::{Dialect, Operators};
use crate::key_sets::KeySets;
use crate::kubernetes::{KeptFor, TokenReviews};
use crate::login::{LoginDesk, LoginShares, Renewal};
use crate::metrics::Metrics;
use crate::publish::Publisher;

/// Bytes of a request to the management API: ten thousand mappings at once are some MiB.
const MANAGEMENT_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How often proofs are forgotten that were spent and are over: as long as the shortest of them lives.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// How often it is looked which refusals can be recorded.
const SETTLE_EVERY: Duration = Duration::from_secs(10);

/// Starts every task of a coordinator.
pub(super) fn start(
    config: &Config,
    authority: &Authority,
    kept: &Kept,
    listeners: Listeners,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let recorder = moneyer_daemon::telemetry::metrics_recorder();
    let certificate = listeners.public_tls.as_ref().map(|tls| tls.certificate().clone());
    let metrics = Metrics::new(recorder.clone(), Some(kept.audit.clone()))
        .with_public_certificate(certificate.clone());
    let going_down = shutdown.token().clone();
    let documents = PublicDocuments::new(authority.published(), document_rules(config))?;
    let (publisher, publishing) = Publisher::new(&config.publish, authority, &documents, &metrics)?;
    let (fetcher, federations) = Fetcher::new(&config.federation, authority);
    let (key_sets, asked) = KeySets::new(authority);
    let (login_shares, exchange_shares) = shares(config);
    let renewal = Renewal::new(authority.clone(), federations.clone(), asked.clone());
    let reviews = TokenReviews::new(authority, kept_for(config), &metrics);
    let reviews = reviews.map_err(StartError::ApiServer)?;
    let subjects = Subjects::new(authority.clone(), asked, renewal.clone(), reviews.clone());
    let errors = Dialect::of(config.exchange.jwtlet_compatible_errors);
    let exchange = ExchangeState {
        desk: LoginDesk::new(authority.clone(), renewal, login_shares.clone()),
        exchange: ExchangeDesk::new(authority.clone(), subjects.clone(), exchange_shares.clone()),
        errors,
        metrics: metrics.clone(),
    };
    let watched = Watched {
        authority: authority.clone(),
        metrics: metrics.clone(),
        publishing: publishing.clone(),
        warnings: moneyer_daemon::telemetry::warnings(),
        started_at: authority.now(),
        leaving: shutdown.leaving().clone(),
        certificate,
        bundle_endpoint: listeners.spiffe_bundle.as_ref().map(|(_, endpoint)| endpoint.ends_at()),
        reviews: reviews.clone(),
    };
    let management = ManagementState {
        authority: authority.clone(),
        operators: Operators {
            own_uid: rustix::process::geteuid().as_raw(),
            uids: config.listen.operators.clone().into(),
        },
        store: kept.store.clone(),
        metrics: metrics.clone(),
        publishing,
        federations,
        subjects,
    };
    let limits = grpc::MintLimits::new(&config.limits);
    let parts = GrpcParts {
        authority: authority.clone(),
        limits: limits.clone(),
        metrics,
        delegations: delegations(config, authority)?,
        going_down,
    };
    let certified = certify_coordinator(authority)?;
    let routers = Routers {
        public: public::router(documents.clone()),
        bundle: public::bundle_router(documents.clone()),
        exchange: exchange::router(exchange, documents.clone()),
        operations: operations::router(watched),
        management: management::router(management),
        errors,
        grpc: grpc::router(parts),
    };
    serve(config, authority, listeners, routers, (&certified.tls, shutdown));

    let stop = shutdown.token().clone();
    let renewal = renew_certificate(authority.clone(), certified);
    shutdown.spawn("certificate renewal", until(stop.clone(), renewal));
    shutdown.spawn("mint limits", until(stop.clone(), limits.sweep()));
    shutdown.spawn("log-in shares", until(stop.clone(), login_shares.sweep()));
    shutdown.spawn("exchange shares", until(stop.clone(), exchange_shares.sweep()));
    let upkeep = moneyer_daemon::telemetry::upkeep(recorder);
    shutdown.spawn("metrics", until(stop.clone(), upkeep));
    shutdown.spawn("publisher", until(stop.clone(), publisher.run()));
    shutdown.spawn("federation", until(stop.clone(), fetcher.run()));
    shutdown.spawn("key sets", until(stop.clone(), key_sets.run()));
    shutdown.spawn("API servers", until(stop, reviews.watch()));
    keep(authority, documents, shutdown);
    Ok(())
}

/// What the authority does by itself, and the documents that follow it.
fn keep(authority: &Authority, documents: PublicDocuments, shutdown: &Shutdown) {
    let (of, stop) = (|| authority.clone(), shutdown.token());
    shutdown.spawn("rotation", until(stop.clone(), rotate(of())));
    shutdown.spawn("following", until(stop.clone(), follow(of())));
    shutdown.spawn("trust bundle", until(stop.clone(), follow_bundle(of())));
    shutdown.spawn("documents", until(stop.clone(), republish(of(), documents)));
    shutdown.spawn("spent proofs", until(stop.clone(), forget_spent_proofs(of())));
    shutdown.spawn("refusals", until(stop.clone(), settle_refusals(of())));
}

/// Where users' tokens are readdressed.
fn delegations(config: &Config, authority: &Authority) -> Result<DelegationDesk, StartError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| StartError::Roots { path: path.clone(), source })
    };
    let roots = config.grants.roots.iter().map(read).collect::<Result<_, _>>()?;
    let client = OAuthClient::new(roots).map_err(StartError::TokenServices)?;
    Ok(DelegationDesk::new(authority.clone(), client))
}

/// How often who may ask for tokens at the exchange listener.
fn document_rules(config: &Config) -> DocumentRules {
    DocumentRules {
        key_set_paths: config.issuer.key_set_paths().collect(),
        token_endpoint: config.exchange.token_endpoint(),
        max_age: Duration::from_secs(config.keys.max_age.as_secs()),
    }
}

fn shares(config: &Config) -> (LoginShares, ExchangeShares) {
    let limits = &config.limits;
    let logins = (limits.workload_logins_per_second, limits.trust_domain_logins_per_second);
    let exchanges = (limits.client_exchanges_per_second, limits.issuer_exchanges_per_second);
    (LoginShares::new(logins.0, logins.1), ExchangeShares::new(exchanges.0, exchanges.1))
}

/// How long answers of API servers are remembered.
fn kept_for(config: &Config) -> KeptFor {
    KeptFor {
        good: config.exchange.review_remembered.duration(),
        refused: config.exchange.refusal_remembered.duration(),
    }
}

/// What each listener serves.
struct Routers {
    public: Router,
    bundle: Router,
    exchange: Router,
    operations: Router,
    management: Router,
    /// How other machines are told what is wrong.
    errors: Dialect,
    grpc: Router,
}

/// Begins to serve, and keeps the certificates of the listeners fresh.
fn serve(
    config: &Config,
    authority: &Authority,
    listeners: Listeners,
    routers: Routers,
    (grpc_tls, shutdown): (&ServerTls, &Shutdown),
) {
    let limited = |limits| Limits {
        max_connections: config.limits.connections,
        max_connections_per_ip: config.limits.connections_per_address,
        ..limits
    };
    let usual = |tls| (limited(Limits::default()), tls);
    let managing = |tls| {
        let usual = limited(Limits::default());
        (Limits { body_bytes: MANAGEMENT_BODY_BYTES, ..usual }, tls)
    };
    let public_tls = listeners.public_tls.as_ref().map(|source| source.tls().clone());
    let shared = || public_tls.clone().map_or(Tls::Off, Tls::On);
    let asking = public_tls.as_ref().map_or(Tls::Off, |tls| Tls::On(tls.asking()));
    run(shutdown, "public listener", listeners.public, routers.public, usual(shared()));
    let plain = usual(Tls::Off);
    run(shutdown, "operations listener", listeners.operations, routers.operations, plain);
    if let Some(listener) = listeners.exchange {
        run(shutdown, "exchange listener", listener, routers.exchange, usual(asking.clone()));
    }
    if let Some(listener) = listeners.management_remote {
        let router = management::remote(routers.management.clone(), routers.errors);
        run(shutdown, "remote management listener", listener, router, managing(asking));
    }
    let local = managing(Tls::Off);
    run(shutdown, "management listener", listeners.management, routers.management, local);
    let grpc = (limited(Limits::grpc()), Tls::On(grpc_tls.clone()));
    run(shutdown, "grpc listener", listeners.grpc, routers.grpc, grpc);
    let stop = shutdown.token();
    if let Some((listener, endpoint)) = listeners.spiffe_bundle {
        let served = usual(Tls::On(endpoint.tls().clone()));
        run(shutdown, "bundle endpoint", listener, routers.bundle, served);
        let following = endpoint.follow(authority.clone());
        shutdown.spawn("bundle endpoint's SVID", until(stop.clone(), following));
    }
    if let Some(source) = listeners.public_tls {
        let following = source.follow(authority.clone());
        shutdown.spawn("public certificate", until(stop.clone(), following));
    }
}

fn run(
    shutdown: &Shutdown,
    name: &'static str,
    listener: Listener,
    router: Router,
    (limits, tls): (Limits, Tls),
) {
    let within = shutdown.clone();
    shutdown.spawn(name, async move { listener.serve(router, limits, tls, &within).await });
}

pub(super) async fn until(
    stop: tokio_util::sync::CancellationToken,
    work: impl Future<Output = ()> + Send,
) {
    stop.run_until_cancelled(work).await;
}

/// Records the refusals that were counted, once their minute is over.
async fn settle_refusals(authority: Authority) {
    let mut every = tokio::time::interval(SETTLE_EVERY);
    loop {
        every.tick().await;
        authority.settle_refusals(false);
    }
}

/// Forgets spent proofs that are over. What cannot be forgotten now is forgotten later.
async fn forget_spent_proofs(authority: Authority) {
    let mut every = tokio::time::interval(FORGET_EVERY);
    loop {
        every.tick().await;
        if let Err(error) = authority.forget_spent_proofs().await {
            let cause = crate::chain(&error);
            tracing::warn!(
                error.cause = cause,
                "proofs that were spent and are over were not forgotten"
            );
        }
    }
}
