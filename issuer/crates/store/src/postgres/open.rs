//! Opening a store in a database: its tables, its identity, and whether everything is there.
//!
//! As with the embedded store: one that lacks anything it acknowledged is not opened, what is missing is named, and an
//! operator may accept the loss. It is another life of the store then, and every coordinator that had it open is to
//! be started anew.

use std::sync::Arc;

use moneyer_authority::store::Generation;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor as _, Row as _};

use super::connections::{Connections, Purpose};
use super::failure::{Failure, within};
use super::inspection::Inspection;
use super::options::PostgresOptions;
use super::rows::signed;
use super::schema;
use super::servers::Servers;
use super::standing::mark;
use crate::findings::Findings;
use crate::record::{Head, Identity, IdentityError, Sealing};
use crate::seal::{KekId, SealError};

/// Writes the head anew, and that the way begins here.
const BEGIN_ANEW: &str = "WITH marks AS (DELETE FROM moneyer_marks WHERE generation <> $4), \
     marked AS (INSERT INTO moneyer_marks (generation, mark) VALUES ($4, $5) \
       ON CONFLICT (generation) DO UPDATE SET mark = excluded.mark) \
     INSERT INTO moneyer_head (incarnation, identity, head, generation, forgotten) \
     VALUES ($1, $2, $3, $4, $4) ON CONFLICT (single) DO UPDATE SET incarnation = excluded.incarnation, \
     identity = excluded.identity, head = excluded.head, generation = excluded.generation, \
     forgotten = excluded.forgotten";

/// Why a store in a database was not opened. The URL is in none of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// Everything would be sent in plain over the network.
    #[error(
        "sslmode=disable would send the store in plain to {0}, which is another machine; leave it out, and name \
         the CA of the server's certificate as store.ca_file (or accept it: store.insecure_plain = true)"
    )]
    Plain(String),
    /// No server, or one that did not do what was asked.
    #[error("the store in the database cannot be used")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A newer version has changed the tables. Nothing was touched.
    #[error(
        "the tables in the database have version {found}, and this version of moneyer knows version {known}: a \
         newer version has changed them, and nothing was touched; start that version"
    )]
    Newer {
        /// What is there.
        found: i32,
        /// What this program knows.
        known: i32,
    },
    /// The tables are not there, or of an older version, and this role may not make them.
    #[error(
        "the tables in the database could not be made; let the role make tables once (GRANT CREATE ON SCHEMA), or \
         start moneyer once with a role that may"
    )]
    Schema(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key that it is sealed under is not here.
    #[error(
        "the store in the database is sealed under the seal key {0}, which is not here; name it as seal.key_file or \
         in seal.older_key_files: every coordinator of a cluster has the same keys"
    )]
    Key(KekId),
    /// What makes it this store cannot be read.
    #[error("the identity of the store in the database cannot be used; restore the database")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Records that were acknowledged are not there, or are not as they were written.
    #[error(
        "the store in the database is not whole: {findings}; restore the database to a later time, or go on without \
         what is missing: `moneyer serve --accept-loss {}`", generation.0
    )]
    Loss {
        /// What is missing or changed.
        findings: Findings,
        /// What the store has come to, as it is now.
        generation: Generation,
    },
    /// The loss that was accepted is not the one that is found.
    #[error(
        "the store in the database is at generation {}, not at {}; look at it again with `moneyer store check`",
        found.0, accepted.0
    )]
    OtherLoss {
        /// Where it is.
        found: Generation,
        /// Where the operator says it is.
        accepted: Generation,
    },
    /// There is no store in the database.
    #[error("there is no store in the database")]
    Absent,
}

impl From<Failure> for PostgresError {
    fn from(failure: Failure) -> Self {
        Self::Database(failure.into())
    }
}

impl PostgresError {
    /// Whether it is what is in the database that is at fault, and not the way to it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Database(_) | Self::Schema(_) | Self::Absent => false,
            Self::Newer { .. }
            | Self::Key(_)
            | Self::Identity(_)
            | Self::Loss { .. }
            | Self::OtherLoss { .. } => true,
        }
    }
}

/// A store that was opened and found whole.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) servers: Arc<Servers>,
    pub(super) connections: Arc<Connections>,
    pub(super) identity: Identity,
    pub(super) sealing: Option<Sealing>,
    pub(super) head: Head,
    /// Whether it goes on with less than it had, by an operator's word.
    pub(super) loss_accepted: bool,
}

/// The head's row as it was found.
struct Row {
    identity: Identity,
    generation: Generation,
    head: Option<Head>,
}

impl Opened {
    /// Opens the store, or makes it.
    pub(super) async fn open(options: PostgresOptions) -> Result<Self, PostgresError> {
        let (servers, connections) = reach(options)?;
        prepare(&connections, servers.options().sealing.as_ref()).await?;
        Self::inspect(servers, connections).await
    }

    /// Opens a store that is there, and changes nothing.
    pub(super) async fn look(options: PostgresOptions) -> Result<Self, PostgresError> {
        let (servers, connections) = reach(options)?;
        let mut transaction = connections.begin(Purpose::Read).await?;
        let version = check_version(&connections, transaction.connection()).await?;
        transaction.roll_back().await?;
        if version < schema::known() {
            return Err(PostgresError::Absent);
        }
        Self::inspect(servers, connections).await
    }

    async fn inspect(
        servers: Arc<Servers>,
        connections: Arc<Connections>,
    ) -> Result<Self, PostgresError> {
        let given = servers.options().sealing.clone();
        let accepted = servers.options().accept_loss;
        let purpose = if accepted.is_some() { Purpose::Write } else { Purpose::Read };
        let mut transaction = connections.begin(purpose).await?;
        let connection = transaction.connection();
        let timeout = connections.timeout();
        let reading = read(connection, given.as_ref(), accepted.is_some());
        let row = tokio::time::timeout(timeout, reading).await;
        let row = row.map_err(|_elapsed| Failure::Silent(timeout))??;
        let sealing = row.identity.sealing(given.as_ref());
        let seen = Inspection::of(connection, &row.identity, sealing.as_ref(), row.head.as_ref());
        let seen = seen.await?;
        match (accepted, row.head) {
            (None, Some(head)) if seen.findings.is_empty() => {
                transaction.roll_back().await?;
                let identity = row.identity;
                Ok(Self { servers, connections, identity, sealing, head, loss_accepted: false })
            }
            (None, _) => {
                Err(PostgresError::Loss { findings: seen.findings, generation: row.generation })
            }
            (Some(accepted), _) if accepted != row.generation => {
                Err(PostgresError::OtherLoss { found: row.generation, accepted })
            }
            (Some(_), _) => {
                tracing::error!(findings = %seen.findings, "a loss is accepted");
                let generation = row.generation;
                let anew =
                    go_on_without(connection, seen, generation, &row.identity, given.as_ref());
                let (identity, head) = anew.await?;
                transaction.commit().await?;
                tracing::error!(
                    store.generation = generation.0,
                    "the store goes on with less than it had; every key should be rotated"
                );
                Ok(Self { servers, connections, identity, sealing, head, loss_accepted: true })
            }
        }
    }
}

fn reach(options: PostgresOptions) -> Result<(Arc<Servers>, Arc<Connections>), PostgresError> {
    if let Some(host) = options.url.plain_hosts().next().filter(|_| !options.plain_allowed) {
        return Err(PostgresError::Plain(host));
    }
    let servers = Arc::new(Servers::new(options));
    let connections = Arc::new(Connections::new(Arc::clone(&servers)));
    Ok((servers, connections))
}

/// The version of the tables, if this program may use them.
async fn check_version(
    connections: &Connections,
    connection: &mut PgConnection,
) -> Result<i32, PostgresError> {
    let found = within(connections.timeout(), schema::version(connection)).await?;
    let known = schema::known();
    if found > known { Err(PostgresError::Newer { found, known }) } else { Ok(found) }
}

/// Makes the tables and the head where they are missing.
pub(super) async fn prepare(
    connections: &Connections,
    sealing: Option<&Sealing>,
) -> Result<(), PostgresError> {
    let mut transaction = connections.begin(Purpose::Read).await?;
    let connection = transaction.connection();
    let complete = check_version(connections, connection).await? == schema::known()
        && has_head(connection).await?;
    transaction.roll_back().await?;
    if complete {
        return Ok(());
    }
    let mut transaction = connections.begin(Purpose::Write).await?;
    let connection = transaction.connection();
    let upgraded = schema::upgrade(connection).await;
    let found = upgraded.map_err(|failure| PostgresError::Schema(failure.into()))?;
    if found > schema::known() {
        return Err(PostgresError::Newer { found, known: schema::known() });
    }
    // Whoever else made the head meanwhile has ended: the lock on the tables is this transaction's.
    if !has_head(connection).await? {
        let identity = fresh_identity(sealing.map_or("", |sealing| &sealing.cluster))?;
        begin_anew(connection, &identity, sealing, &Head::default()).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn has_head(connection: &mut PgConnection) -> Result<bool, Failure> {
    let asked = "SELECT EXISTS (SELECT FROM moneyer_head)";
    Ok(connection.fetch_one(sqlx::raw_sql(asked)).await?.try_get(0)?)
}

pub(super) fn fresh_identity(cluster: &str) -> Result<Identity, PostgresError> {
    Identity::random(cluster).map_err(|error| PostgresError::Identity(error.into()))
}

/// Writes the head of a store that begins its life here.
pub(super) async fn begin_anew(
    connection: &mut PgConnection,
    identity: &Identity,
    sealing: Option<&Sealing>,
    head: &Head,
) -> Result<(), PostgresError> {
    let encoded = identity.encode(sealing);
    let encoded = encoded.map_err(|error| PostgresError::Identity(error.into()))?;
    sqlx::query(BEGIN_ANEW)
        .bind(identity.incarnation.0.as_slice())
        .bind(encoded)
        .bind(head.encode(identity))
        .bind(signed(head.generation))
        .bind(mark(head, identity))
        .persistent(false)
        .execute(connection)
        .await
        .map_err(Failure::from)?;
    Ok(())
}

/// The same generation with what can be read, as another life of the store.
async fn go_on_without(
    connection: &mut PgConnection,
    seen: Inspection,
    generation: Generation,
    before: &Identity,
    given: Option<&Sealing>,
) -> Result<(Identity, Head), PostgresError> {
    for (collection, id) in &seen.unreadable {
        sqlx::query("DELETE FROM moneyer_records WHERE collection = $1 AND id = $2")
            .bind(collection)
            .bind(id)
            .persistent(false)
            .execute(&mut *connection)
            .await
            .map_err(Failure::from)?;
    }
    let identity = fresh_identity(&before.cluster)?;
    let sealing = before.sealing(given);
    let inspected = Inspection::of(connection, &identity, sealing.as_ref(), None).await?;
    let computed = inspected.computed;
    let generation = generation.0.max(computed.generation);
    let head = Head { generation, previous: generation, ..computed };
    begin_anew(connection, &identity, given, &head).await?;
    Ok((identity, head))
}

async fn read(
    connection: &mut PgConnection,
    sealing: Option<&Sealing>,
    lock: bool,
) -> Result<Row, PostgresError> {
    let lock = if lock { " FOR UPDATE" } else { "" };
    let asked = format!("SELECT identity, incarnation, generation, head FROM moneyer_head{lock}");
    let row = sqlx::query(&asked).persistent(false).fetch_optional(connection).await;
    let row = row.map_err(Failure::from)?.ok_or(PostgresError::Absent)?;
    let identity = identity_of(&row, sealing)?;
    let generation: i64 = row.try_get("generation").map_err(Failure::from)?;
    let generation = Generation(u64::try_from(generation).unwrap_or_default());
    let head: Vec<u8> = row.try_get("head").map_err(Failure::from)?;
    let head = Head::decode(&head, &identity).filter(|head| head.generation == generation.0);
    Ok(Row { identity, generation, head })
}

fn identity_of(row: &PgRow, sealing: Option<&Sealing>) -> Result<Identity, PostgresError> {
    let bytes: Vec<u8> = row.try_get("identity").map_err(Failure::from)?;
    let incarnation: Vec<u8> = row.try_get("incarnation").map_err(Failure::from)?;
    let identity = Identity::decode(&bytes, sealing).map_err(|error| match error {
        IdentityError::Seal(SealError::UnknownKey { needed }) => PostgresError::Key(needed),
        error => PostgresError::Identity(error.into()),
    })?;
    if incarnation != identity.incarnation.0 {
        return Err(PostgresError::Identity("it is that of another life of the store".into()));
    }
    Ok(identity)
}
