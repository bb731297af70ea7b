//! `moneyer serve`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use moneyer_daemon::lifecycle::{Signal, signals};
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::Source;
use moneyer_daemon::telemetry::{self, TelemetryError};
use moneyer_identity::SystemClock;

use crate::app::App;
use crate::cli::failure::Failure;
use crate::config::{Config, LogFormat};

pub(super) async fn run(path: &Path) -> Result<(), Failure> {
    let source = Source::read(path, "MONEYER")?;
    let (config, charter) = Config::load(&source)?;
    start_logging(&config)?;
    let mut signals = signals().map_err(|error| Failure::of("cannot catch signals", &error))?;
    let issuer = charter.issuer.clone();
    moneyer_daemon::lifecycle::raise_descriptor_limit();
    // A first start makes a key, which takes seconds at 4096 bits. Elsewhere than on a terminal the log
    // is read by programs, and says when the coordinator is ready.
    let on_terminal = std::io::stderr().is_terminal();
    let progress = on_terminal.then(|| Progress::start("opening the store and the keys"));
    let app = App::start(&config, charter, Arc::new(SystemClock)).await?;
    if let Some(progress) = progress {
        progress.finish("the store and the keys are open");
    }
    let addresses = app.addresses();
    tracing::info!(
        issuer = %issuer,
        listen.public = %addresses.public,
        listen.grpc = %addresses.grpc,
        listen.operations = %addresses.operations,
        listen.management = %addresses.management,
        "the coordinator is ready"
    );
    while signals.recv().await != Signal::Terminate {
        tracing::info!(
            "nothing here is reloaded while running; restart to change the configuration"
        );
    }
    tracing::info!("the coordinator is going down");
    app.stop().await;
    Ok(())
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
