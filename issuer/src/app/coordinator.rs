//! A running coordinator.

use std::sync::Arc;
use std::time::Duration;

use moneyer_audit::{AuditOptions, FileAudit};
use moneyer_authority::keys::{KeyRecord, KeysError};
use moneyer_authority::store::{Generation, load_records};
use moneyer_authority::svid::X509AuthorityRecord;
use moneyer_authority::{Authority, Charter, OpenError, Ports};
use moneyer_daemon::lifecycle::{Drain, Shutdown};
use moneyer_identity::{Clock, Evidence};

use crate::app::error::StartError;
use crate::app::listeners::{Addresses, Listeners};
use crate::app::services;
use crate::app::signers;
use crate::app::store::open_store;
use crate::config::Config;
use crate::kept_store::KeptStore;

/// Time that open requests get to finish. Minting takes milliseconds.
const DRAIN: Duration = Duration::from_secs(10);

/// A running coordinator.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    authority: Authority,
    store: KeptStore,
    audit: Arc<FileAudit>,
    shutdown: Shutdown,
}

impl App {
    /// Starts a coordinator.
    pub async fn start(
        config: &Config,
        charter: Charter,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        Self::start_accepting(config, charter, clock, None).await
    }

    /// Starts a coordinator whose store lacks what it acknowledged, if it has come to this generation.
    pub async fn start_accepting(
        config: &Config,
        charter: Charter,
        clock: Arc<dyn Clock>,
        accept_loss: Option<Generation>,
    ) -> Result<Self, StartError> {
        let store = open_store(config, &charter, accept_loss).await?;
        let started = match open_audit(config).await {
            Ok(audit) => {
                let kept = Kept { store: store.clone(), audit: audit.clone() };
                let started = Self::start_on(config, charter, clock, kept).await;
                if started.is_err() {
                    audit.close().await;
                }
                started
            }
            Err(error) => Err(error),
        };
        if started.is_err() {
            store.close().await;
        }
        started
    }

    async fn start_on(
        config: &Config,
        charter: Charter,
        clock: Arc<dyn Clock>,
        kept: Kept,
    ) -> Result<Self, StartError> {
        let (signer, outside) = signers::start(config, &clock)?;
        // Bound first: a taken port is told before a key is made.
        let mut listeners = Listeners::bind(config)?;
        let signer = Arc::new(signer);
        hear_witnesses(&*clock, &kept).await?;
        let (store, audit) = (kept.store.port(), kept.audit.clone());
        let ports = Ports { store, signer, audit, clock };
        let authority = Authority::open(charter, ports).await.map_err(StartError::Authority)?;
        let shutdown = Shutdown::new();
        let addresses = listeners.addresses();
        if kept.store.loss_accepted() {
            let found = authority.store().generation();
            authority.note_loss(found).await.map_err(StartError::Record)?;
        }
        note_missing_mark(&authority).await?;
        note_uncertified(config, &authority);
        if let Some(records) = authority.unreadable_records() {
            tracing::warn!(records, "records cannot be read by this version, and give nothing");
        }
        if let Some(source) = &mut listeners.public_tls {
            let loaded = source.load(kept.store.port(), authority.now()).await;
            loaded.map_err(StartError::PublicTls)?;
        }
        if let Some((_, endpoint)) = &mut listeners.spiffe_bundle {
            endpoint.renew(&authority).await;
        }
        services::start(config, &authority, &kept, listeners, &shutdown)?;
        outside.keep(&shutdown);
        let Kept { store, audit } = kept;
        Ok(Self { addresses, authority, store, audit, shutdown })
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

    /// Tells whoever asks whether it is ready that it is not, and goes on with everything: a load balancer has to see that
    /// before a connection is refused. [`App::stop`] comes after it.
    pub fn leave(&self) {
        self.shutdown.leave();
    }

    /// Takes no more work, lets what is open finish, and closes the audit log and the store.
    pub async fn stop(self) {
        if let Drain::Abandoned(tasks) = self.shutdown.drain(DRAIN).await {
            tracing::warn!(tasks, "some requests did not finish in time and were cut off");
        }
        if let Err(error) = self.authority.leave().await {
            let cause = crate::chain(&error);
            tracing::warn!(error.cause = cause, "the others wait for this coordinator for a while");
        }
        self.authority.settle_refusals(true);
        self.audit.close().await;
        self.store.close().await;
    }
}

/// What is kept on disk.
pub(super) struct Kept {
    pub(super) store: KeptStore,
    pub(super) audit: Arc<FileAudit>,
}

/// Tells the clock which times the records have seen, so that its mark is missed when it is missing.
async fn hear_witnesses(clock: &dyn Clock, kept: &Kept) -> Result<(), StartError> {
    let store = kept.store.port();
    let keys = load_records::<KeyRecord>(&*store).await;
    let keys =
        keys.map_err(|error| StartError::Authority(OpenError::Keys(KeysError::Store(error))))?;
    let authorities = load_records::<X509AuthorityRecord>(&*store).await;
    let authorities = authorities.map_err(|error| {
        StartError::Authority(OpenError::X509Authorities(KeysError::Store(error)))
    })?;
    let changed = keys.iter().filter_map(|(key, _)| key.changed_at());
    let changed = changed.chain(authorities.iter().filter_map(|(one, _)| one.changed_at())).max();
    clock.hear(Evidence { recorded: kept.audit.sound_at(), keys: changed });
    Ok(())
}

async fn note_missing_mark(authority: &Authority) -> Result<(), StartError> {
    let Some(mark) = authority.missing_mark() else { return Ok(()) };
    tracing::warn!(
        clock.mark = %mark,
        "the file with the latest time seen was missing; the latest of the audit log and the keys took \
         its place"
    );
    authority.note_missing_mark(mark).await.map_err(StartError::RecordMark)
}

/// Names the keys that `keys.x5c` is not for: nothing can sign a certificate over them.
fn note_uncertified(config: &Config, authority: &Authority) {
    let ring = authority.keys().ring();
    let lacks = |record: &&KeyRecord| record.state.is_published() && record.certificate.is_none();
    for record in ring.records().filter(lacks).filter(|_| config.keys.x5c) {
        let key_id = record.key_id.as_str();
        tracing::warn!(
            key.id = key_id,
            "a key is published without a certificate: its private half is not here"
        );
    }
}

/// Opens the audit log as the configuration says.
pub(super) async fn open_audit(config: &Config) -> Result<Arc<FileAudit>, StartError> {
    let path = config.audit.path.clone();
    let options = AuditOptions::new(config.audit.rotate_bytes, config.audit.reserve_bytes);
    let opened = tokio::task::spawn_blocking(move || FileAudit::open(&path, options)).await;
    let audit = opened.map_err(|error| StartError::Documents(error.into()))?;
    Ok(Arc::new(audit.map_err(StartError::Audit)?))
}
