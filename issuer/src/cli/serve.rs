//! `moneyer serve`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use moneyer_authority::Authority;
use moneyer_authority::store::Generation;
use moneyer_daemon::clock::GuardedClock;
use moneyer_daemon::lifecycle::{Signal, Signals, signals};
use moneyer_daemon::notify::ServiceManager;
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::Source;
use moneyer_daemon::telemetry::{self, TelemetryError};

use crate::app::App;
use crate::cli::failure::Failure;
use crate::cli::self_check::signing_works;
use crate::config::{Config, LogFormat};

/// What `serve` is told.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Go on with a store that lacks records it acknowledged, if this is the generation it has come to.
    ///
    /// The message of the refused start names it, and what is missing. The store is another one from
    /// then on; rotate every key afterwards (`moneyer key rotate --emergency`).
    #[arg(long, value_name = "GENERATION")]
    accept_loss: Option<u64>,
}

pub(super) async fn run(arguments: &ServeArguments, path: &Path) -> Result<(), Failure> {
    let accept_loss = arguments.accept_loss.map(Generation);
    let source = Source::read(path, "MONEYER")?;
    let (config, charter) = Config::load(&source)?;
    start_logging(&config)?;
    harden()?;
    let mut signals = signals().map_err(|error| Failure::of("cannot catch signals", &error))?;
    let issuer = charter.issuer.clone();
    moneyer_daemon::lifecycle::raise_descriptor_limit();
    // A first start makes a key, which takes seconds at 4096 bits. Elsewhere than on a terminal the log
    // is read by programs, and says when the coordinator is ready.
    let on_terminal = std::io::stderr().is_terminal();
    let progress = on_terminal.then(|| Progress::start("opening the store and the keys"));
    let clock = guarded_clock(&config)?;
    let app = App::start_accepting(&config, charter, clock.clone(), accept_loss).await?;
    let watch = watch(clock.clone());
    if let Some(progress) = progress {
        progress.finish("the store and the keys are open");
    }
    let addresses = app.addresses();
    tracing::info!(
        issuer = %issuer,
        listen.public = %addresses.public,
        listen.spiffe_bundle = addresses.spiffe_bundle.as_ref().map(tracing::field::display),
        listen.grpc = %addresses.grpc,
        listen.operations = %addresses.operations,
        listen.management = %addresses.management,
        "the coordinator is ready"
    );
    let manager = ServiceManager::from_environment();
    manager.ready();
    let beat = beat(manager.clone(), app.authority().clone());
    while signals.recv().await != Signal::Terminate {
        tracing::info!(
            "nothing here is reloaded while running; restart to change the configuration"
        );
    }
    tracing::info!("the coordinator is going down");
    manager.stopping();
    beat.abort();
    watch.abort();
    clock.keep_or_say();
    leave(&app, config.listen.leave_after.duration(), &mut signals).await;
    app.stop().await;
    Ok(())
}

/// Gives load balancers the time to see that it is no longer ready. Another signal cuts it short.
async fn leave(app: &App, wait: Duration, signals: &mut Signals) {
    app.leave();
    let another = async { while signals.recv().await != Signal::Terminate {} };
    // Over, or cut short: it ends either way.
    tokio::time::timeout(wait, another).await.ok();
}

/// Feeds the service manager's watchdog until aborted.
fn beat(manager: ServiceManager, authority: Authority) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { manager.watch(|| signing_works(&authority)).await })
}

/// Closes the process to others: before a key is read.
pub(super) fn harden() -> Result<(), Failure> {
    moneyer_daemon::hardening::harden_process()
        .map_err(|error| Failure::of("the process could not be protected", &error))
}

/// The clock that tokens are signed by. The latest time it has seen lies beside the records.
pub(super) fn guarded_clock(config: &Config) -> Result<Arc<GuardedClock>, Failure> {
    let clock = GuardedClock::open(&config.store.path.join("CLOCK"));
    clock.map(Arc::new).map_err(|error| Failure::damaged(&error))
}

/// Watches it until aborted.
pub(super) fn watch(clock: Arc<GuardedClock>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { clock.watch().await })
}

/// Sends logs to standard error as configured.
pub(super) fn start_logging(config: &Config) -> Result<(), Failure> {
    let format = match config.telemetry.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::init(format, &config.telemetry.filter).map_err(|error| match error {
        TelemetryError::Filter(_) => {
            Failure::bad_configuration(&format!("telemetry.filter: {}", crate::chain(&error)))
        }
        _ => Failure::of("cannot start logging", &error),
    })
}
