//! [`PostgresStore`]: the port, in front of the tasks that write and watch.
//!
//! Commits go to the writer through a bounded queue, so callers wait when the database is slower than they are. A
//! caller that stops waiting does not take its commit back.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use moneyer_authority::shared_store::SharedStore;
use moneyer_authority::store::{
    Change, Collection, Generation, Receipt, Receive, Store, StoreError, Stored, Testimony,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::connections::{Connections, Purpose};
use super::failure::{Failure, within};
use super::open::{Opened, PostgresError};
use super::options::PostgresOptions;
use super::rows::Line;
use super::servers::Servers;
use super::standing::Standing;
use super::watch::Watch;
use super::writer::{Waiting, Writer};
use crate::limits::check_sizes;
use crate::record::{Incarnation, Sealing};

/// Commits that wait before callers do.
const QUEUE_COMMITS: usize = 4096;

/// The records of a collection.
const COLLECTION: &str = "SELECT id, revision, envelope FROM moneyer_records \
     WHERE collection = $1 AND envelope IS NOT NULL ORDER BY id";

/// A store in a database.
pub struct PostgresStore {
    pub(super) servers: Arc<Servers>,
    pub(super) connections: Arc<Connections>,
    pub(super) standing: Arc<Standing>,
    pub(super) sealing: Option<Sealing>,
    /// The name of this coordinator among those that share the store.
    pub(super) replica: String,
    loss_accepted: bool,
    running: Mutex<Option<Running>>,
}

/// What an open store has and a closed one has not.
struct Running {
    queue: mpsc::Sender<Waiting>,
    writer: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl PostgresStore {
    /// Opens the store in the database, or makes it. Returns when every record was compared with what there must be.
    pub async fn open(options: PostgresOptions) -> Result<Self, PostgresError> {
        let named = options.replica.clone();
        let opened = Opened::open(options).await?;
        let random = || replica_name().map_err(|error| PostgresError::Identity(error.into()));
        Ok(Self::start(opened, named.map_or_else(random, Ok)?))
    }

    /// Whether the store in the database holds everything it acknowledged, and what it has come to. Changes nothing.
    pub async fn check(options: PostgresOptions) -> Result<Generation, PostgresError> {
        let opened = Opened::look(options).await?;
        opened.connections.close();
        Ok(Generation(opened.head.generation))
    }

    fn start(opened: Opened, replica: String) -> Self {
        let Opened { servers, connections, identity, sealing, head, loss_accepted } = opened;
        let standing = Arc::new(Standing::of(identity, &head));
        let (queue, waiting) = mpsc::channel(QUEUE_COMMITS);
        let trouble = Arc::new(Notify::new());
        let writer = Writer {
            connections: Arc::clone(&connections),
            standing: Arc::clone(&standing),
            sealing: sealing.clone(),
            queue: waiting,
            trouble: Arc::clone(&trouble),
        };
        let watch = Watch {
            servers: Arc::clone(&servers),
            connections: Arc::clone(&connections),
            standing: Arc::clone(&standing),
            trouble,
            replica: replica.clone(),
        };
        let (writer, watch) = (tokio::spawn(writer.run()), tokio::spawn(watch.run()));
        let running = Mutex::new(Some(Running { queue, writer, watch }));
        Self { servers, connections, standing, sealing, replica, loss_accepted, running }
    }

    /// Takes no more commits, and returns when those that waited are answered and every connection is closed.
    pub async fn close(&self) {
        let Some(Running { queue, writer, watch }) = self.running().take() else { return };
        drop(queue);
        // Its end is all there is to know.
        drop(writer.await);
        watch.abort();
        drop(watch.await);
        self.connections.close();
    }

    /// The database and its servers, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.servers.options().url.shown()
    }

    /// Which life of the store this is.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.standing.identity().incarnation
    }

    /// The key that secrets are sealed under, by its id; `None` where they are not sealed.
    #[must_use]
    pub fn sealed_under(&self) -> Option<String> {
        self.sealing.as_ref().map(|sealing| sealing.seals.current_id().to_string())
    }

    /// Whether it goes on with less than it had, by an operator's word: every key should be rotated.
    #[must_use]
    pub fn loss_accepted(&self) -> bool {
        self.loss_accepted
    }

    /// The name of this process among those that share the store.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Forgets what was removed until now, as happens by itself when it is long ago.
    pub async fn forget_removals(&self) -> Result<(), StoreError> {
        Ok(super::watch::forget(&self.connections, std::time::Duration::ZERO).await?)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> Result<mpsc::Sender<Waiting>, Failure> {
        let queue = self.running().as_ref().map(|running| running.queue.clone());
        queue.ok_or(Failure::Closed)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        let timeout = self.connections.timeout();
        let mut transaction = self.connections.begin(Purpose::Read).await?;
        let connection = transaction.connection();
        within(timeout, self.standing.read(connection, false)).await?;
        let rows = sqlx::query(COLLECTION).bind(collection.as_str()).persistent(false);
        let mut rows = rows.fetch(connection);
        // Each row has its time: a large collection may take as long as it needs.
        while let Some(row) = within(timeout, rows.try_next()).await? {
            let line = Line::of(collection, &row)?;
            let Some(value) = line.value(collection, self.sealing.as_ref())? else { continue };
            receive(Stored { id: line.id, revision: line.revision, value })?;
        }
        drop(rows);
        transaction.roll_back().await?;
        Ok(())
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        check_sizes(&changes)?;
        let queue = self.queue()?;
        self.standing.health()?;
        let (answer, outcome) = oneshot::channel();
        let sent = queue.send(Waiting { changes, answer }).await;
        // Held no longer than needed: close waits until no sender is left.
        drop(queue);
        sent.map_err(|_closed| Failure::Closed)?;
        outcome.await.unwrap_or_else(|_| Err(Failure::Closed.into()))
    }

    fn generation(&self) -> Generation {
        self.standing.generation()
    }

    fn health(&self) -> Result<(), StoreError> {
        drop(self.queue()?);
        Ok(self.standing.health()?)
    }

    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    fn receipt(&self) -> Receipt {
        self.standing.identity().receipt(self.generation())
    }

    fn hear(&self, receipt: &Receipt) -> Testimony {
        self.standing.identity().hear(receipt, self.generation())
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        if let Some(running) = self.running().take() {
            running.watch.abort();
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.place())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

/// A name that no other process has.
fn replica_name() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random)?;
    let mut name = String::with_capacity(16);
    for byte in random {
        // Writing to a String cannot fail.
        write!(name, "{byte:02x}").ok();
    }
    Ok(name)
}
