//! Writing an adopted cluster into a store that has no keys yet, as the configuration says.
//!
//! The coordinator must not run: the store's lock tells. The previous issuers are written first and the
//! keys last, so that an adoption that was cut off is simply done again. A store that has keys is left as
//! it is.

use std::sync::Arc;

use moneyer_authority::Charter;
use moneyer_authority::audit::{Actor, Ledger};
use moneyer_authority::issuers::Issuers;
use moneyer_authority::keys::{KeyRecord, Keys, KeysError};
use moneyer_identity::{Clock, IssuerUrl, UnixTime};
use moneyer_store::{PostgresError, PostgresStore};

use crate::adoption::Adopted;
use crate::app::coordinator::open_audit;
use crate::app::error::StartError;
use crate::app::store::{database_options, open_store};
use crate::config::{Config, StoreBackend};

/// What an adoption wrote.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The keys, the one that signs first.
    pub(crate) keys: Vec<KeyRecord>,
    /// The previous issuers, and until when each is served.
    pub(crate) previous_issuers: Vec<(IssuerUrl, UnixTime)>,
}

/// Makes the keys and issuers of another system those of this cluster, before its first start.
pub(crate) async fn settle(
    config: &Config,
    charter: &Charter,
    clock: Arc<dyn Clock>,
    who: &Actor,
    adopted: Adopted,
) -> Result<Settled, StartError> {
    let store = open_store(config, charter, None).await?;
    let settled = match open_audit(config).await {
        Ok(audit) => {
            let ledger = Ledger::new(store.port(), audit.clone(), clock.clone());
            let settled = write(&ledger, charter, &*clock, who, adopted).await;
            audit.close().await;
            settled
        }
        Err(error) => Err(error),
    };
    store.close().await;
    settled
}

/// Whether the configured store could take an adoption. One that does not exist is not made.
pub(crate) async fn check_unsettled(
    config: &Config,
    charter: &Charter,
    clock: Arc<dyn Clock>,
) -> Result<(), StartError> {
    if !holds_store(config, charter).await? {
        return Ok(());
    }
    let store = open_store(config, charter, None).await?;
    let checked = match open_audit(config).await {
        Ok(audit) => {
            let ledger = Ledger::new(store.port(), audit.clone(), clock);
            let empty = Keys::none_yet(&ledger).await.map_err(StartError::AdoptKeys);
            audit.close().await;
            empty
        }
        Err(error) => Err(error),
    };
    store.close().await;
    checked
}

/// A directory with nothing in it is no store, and a database without its tables is none.
async fn holds_store(config: &Config, charter: &Charter) -> Result<bool, StartError> {
    match config.store.backend {
        StoreBackend::Sled => {
            let entries = std::fs::read_dir(&config.store.path);
            Ok(entries.is_ok_and(|mut entries| entries.next().is_some()))
        }
        StoreBackend::Postgres => {
            match PostgresStore::check(database_options(config, charter)?).await {
                Ok(_) => Ok(true),
                Err(PostgresError::Absent) => Ok(false),
                Err(error) => Err(StartError::Database(error)),
            }
        }
    }
}

async fn write(
    ledger: &Ledger,
    charter: &Charter,
    clock: &dyn Clock,
    who: &Actor,
    adopted: Adopted,
) -> Result<Settled, StartError> {
    let now = clock.sound().map_err(|fault| StartError::AdoptKeys(KeysError::Clock(fault)))?;
    Keys::none_yet(ledger).await.map_err(StartError::AdoptKeys)?;
    let lifetime = charter.schedule.maximum_lifetime();
    let issuers = Issuers::open(ledger.clone(), &charter.issuer, lifetime, now).await;
    let issuers = issuers.map_err(StartError::AdoptIssuers)?;
    let left: Vec<_> = adopted
        .previous_issuers
        .iter()
        .map(|one| (one.issuer.clone(), one.left_at.map_or(now, |left_at| left_at.min(now))))
        .collect();
    issuers.adopt(who, &left).await.map_err(StartError::AdoptIssuers)?;
    let list = issuers.list();
    let previous = list.previous().iter().map(|one| (one.issuer.clone(), one.until)).collect();
    let (primary, others) = adopted.into_imports();
    let keys = Keys::adopt(ledger, who, primary, others, &charter.schedule, now).await;
    Ok(Settled { keys: keys.map_err(StartError::AdoptKeys)?, previous_issuers: previous })
}
