//! `moneyer-runner-proxy serve`.

use std::sync::Arc;

use moneyer_daemon::lifecycle::{Signal, signals};
use moneyer_daemon::notify::ServiceManager;
use moneyer_daemon::telemetry;
use moneyer_identity::SystemClock;

use super::failure::Failure;
use super::self_check::answers;
use crate::app::App;
use crate::config::{Config, LogFormat};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let format = match config.telemetry.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::init(format, &config.telemetry.filter)
        .map_err(|error| Failure::of("cannot start logging (telemetry.filter)", &error))?;
    // Before the certificate's key is read: nobody attaches, and no core is written.
    moneyer_daemon::hardening::harden_process()
        .map_err(|error| Failure::of("the process could not be protected", &error))?;
    let mut signals = signals().map_err(|error| Failure::of("cannot catch signals", &error))?;
    moneyer_daemon::lifecycle::raise_descriptor_limit();
    let app = App::start(config, Arc::new(SystemClock))
        .map_err(|error| Failure::new(crate::chain(&error)))?;
    tracing::info!(
        listen.token_server = %app.token_server_address,
        listen.control = %app.control_socket.display(),
        listen.operations = app.operations_address.as_ref().map(ToString::to_string),
        coordinator.address = %config.coordinator.address,
        "the runner proxy is ready"
    );
    let manager = ServiceManager::from_environment();
    manager.ready();
    let (watching, address) = (manager.clone(), app.token_server_address);
    let beat = tokio::spawn(async move { watching.watch(|| answers(address)).await });
    while signals.recv().await != Signal::Terminate {
        tracing::info!(
            "nothing here is reloaded while running; restart to change the configuration"
        );
    }
    tracing::info!("the runner proxy is going down");
    manager.stopping();
    beat.abort();
    app.stop().await;
    Ok(())
}
