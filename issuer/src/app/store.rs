//! Opening the store as the configuration says: the one place that does.

use std::path::PathBuf;
use std::sync::Arc;

use moneyer_authority::Charter;
use moneyer_authority::store::Generation;
use moneyer_store::seal::RecoveryRecipient;
use moneyer_store::{Sealing, SledOptions, SledStore};

use crate::app::error::StartError;
use crate::config::{Config, SealSection};
use crate::seal::{Recovery, SealKeyError, seals};

/// How the store is opened: with the configured keys, and under the trust domain's name if it is new.
pub(crate) fn store_options(
    config: &Config,
    charter: &Charter,
) -> Result<SledOptions, SealKeyError> {
    let mut options = SledOptions::default();
    options.sealing = seals(&config.seal, &config.store)?.map(|seals| Sealing {
        cluster: charter.parts.trust_domain.as_str().to_owned(),
        seals: Arc::new(seals),
        recovery: recovery_recipient(&config.seal),
    });
    Ok(options)
}

/// To whom the recovery copy of the seal keys is encrypted.
fn recovery_recipient(seal: &SealSection) -> Option<Arc<dyn RecoveryRecipient>> {
    Some(Arc::new(Recovery::to(seal.recovery_recipient.as_ref()?)))
}

/// Opens the store, or makes it; one that lacks what it acknowledged only at the generation that the
/// operator names.
pub(crate) async fn open_store(
    config: &Config,
    charter: &Charter,
    accept_loss: Option<Generation>,
) -> Result<Arc<SledStore>, StartError> {
    let mut options = store_options(config, charter).map_err(StartError::Seal)?;
    options.accept_loss = accept_loss;
    let path: PathBuf = config.store.path.clone();
    // sled reads its whole log.
    tokio::task::spawn_blocking(move || SledStore::open(&path, &options))
        .await
        .map_err(|error| StartError::Documents(error.into()))?
        .map(Arc::new)
        .map_err(StartError::Store)
}
