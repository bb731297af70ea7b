//! The signers as the configuration says, and the work that keeps them.

use std::sync::Arc;

use moneyer_authority::signer::Signer;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_identity::Clock;
use moneyer_signer::pkcs11::{Pkcs11Options, Pkcs11Signer};
use moneyer_signer::vault::{VaultOptions, VaultSigner};
use moneyer_signer::{Backend, LocalSigner, PoolLimits, Signers};

use crate::app::error::StartError;
use crate::app::services::until;
use crate::config::{Config, Pkcs11Section, SignerBackend, VaultSection};
use crate::signer::{Measured, SignerMetrics, VaultHttp};

/// The signers outside the coordinator.
#[derive(Debug, Default)]
pub(super) struct Outside {
    vault: Option<VaultSigner>,
    pkcs11: Option<Pkcs11Signer>,
}

impl Outside {
    /// Keeps log-ins good and looks whether what is away is back, until the coordinator stops.
    pub(super) fn keep(self, shutdown: &Shutdown) {
        let stop = shutdown.token();
        if let Some(vault) = self.vault {
            shutdown.spawn("vault", until(stop.clone(), vault.keep()));
        }
        if let Some(pkcs11) = self.pkcs11 {
            shutdown.spawn("pkcs11", until(stop.clone(), pkcs11.keep()));
        }
    }
}

/// Starts what the configuration names. Keys that were made by the coordinator itself can always be opened.
pub(super) fn start(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<(Signers, Outside), StartError> {
    // What measures has to be there before whoever is measured.
    let _recorder = moneyer_daemon::telemetry::metrics_recorder();
    let local = LocalSigner::start(pool_limits(config)).map_err(StartError::Signer)?;
    let (section, queue) = (&config.signer, config.limits.signer_queue);
    let vault = section.vault.as_ref().map(|vault| start_vault(vault, queue, clock)).transpose()?;
    let pkcs11 =
        section.pkcs11.as_ref().map(|pkcs11| start_pkcs11(pkcs11, queue, clock)).transpose()?;
    let mut there: Vec<(Backend, Arc<dyn Signer>)> = vec![(Backend::Local, Arc::new(local))];
    if let Some(vault) = &vault {
        there.push((Backend::Vault, measured(Backend::Vault, vault.clone())));
    }
    if let Some(pkcs11) = &pkcs11 {
        there.push((Backend::Pkcs11, measured(Backend::Pkcs11, pkcs11.clone())));
    }
    let makes = match section.backend {
        SignerBackend::Local => Backend::Local,
        SignerBackend::Vault => Backend::Vault,
        SignerBackend::Pkcs11 => Backend::Pkcs11,
    };
    Ok((Signers::new(makes, there), Outside { vault, pkcs11 }))
}

fn measured(backend: Backend, signer: impl Signer + 'static) -> Arc<dyn Signer> {
    let metrics = SignerMetrics::new(backend.as_str());
    Arc::new(Measured { signer: Arc::new(signer), metrics })
}

fn start_vault(
    section: &VaultSection,
    queue: usize,
    clock: &Arc<dyn Clock>,
) -> Result<VaultSigner, StartError> {
    let unfit = |error: String| StartError::Vault(error.into());
    let timeout = section.timeout.duration();
    let http = VaultHttp::new(section.address.clone(), section.ca_file.as_deref(), timeout);
    let http = http.map_err(|error| StartError::Vault(error.into()))?;
    // The configuration was checked: none of these is wrong any more.
    let options = VaultOptions {
        mount: section.mount().map_err(|error| unfit(error.to_string()))?,
        namespace: section.namespace().map_err(|error| unfit(error.to_string()))?,
        key_prefix: section.key_prefix().map_err(|error| unfit(error.to_string()))?,
        login: section.login().map_err(unfit)?,
        timeout,
        concurrency: section.concurrency.get(),
        queue,
        refresh_every: section.refresh_every.duration(),
    };
    Ok(VaultSigner::new(options, Arc::new(http), clock.clone()))
}

fn start_pkcs11(
    section: &Pkcs11Section,
    queue: usize,
    clock: &Arc<dyn Clock>,
) -> Result<Pkcs11Signer, StartError> {
    let options = Pkcs11Options {
        module: section.module.clone(),
        token: section.token(),
        pin_file: section.pin_file.clone(),
        timeout: section.timeout.duration(),
        pool: PoolLimits { threads: section.threads, queue },
    };
    Pkcs11Signer::start(options, clock.clone()).map_err(StartError::Signer)
}

fn pool_limits(config: &Config) -> PoolLimits {
    let default = PoolLimits::default();
    PoolLimits {
        threads: config.keys.threads.unwrap_or(default.threads),
        queue: config.limits.signer_queue,
    }
}
