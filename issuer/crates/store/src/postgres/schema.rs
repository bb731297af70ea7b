//! The tables, version by version.
//!
//! A version is a file of its own and never changes once it was released. What is missing is made in one
//! transaction, whole or not at all, by one process at a time. A database that a newer version of Moneyer has
//! changed is left alone. A role that may only read and write rows is enough where nothing is missing.

use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, Row as _};

use super::failure::Failure;

/// What makes each version of the one before, the first of nothing.
const VERSIONS: [&str; 2] = [include_str!("schema/0001.sql"), include_str!("schema/0002.sql")];

/// Where the version is written down.
const TABLE: &str = "CREATE TABLE moneyer_schema (
    version integer PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
)";

/// Whoever changes the tables holds this advisory lock: "moneyer" in letters.
const LOCK: &str = "SELECT pg_advisory_xact_lock(30802986520176498)";

/// The version that this program knows.
pub(super) fn known() -> i32 {
    i32::try_from(VERSIONS.len()).unwrap_or(i32::MAX)
}

/// The version that is there; 0 where there is nothing.
pub(super) async fn version(connection: &mut PgConnection) -> Result<i32, Failure> {
    // Asked of the table of tables: a name that was looked up in vain is remembered by the session.
    let asked = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
                 WHERE relname = 'moneyer_schema' AND pg_catalog.pg_table_is_visible(oid))";
    if !connection.fetch_one(sqlx::raw_sql(asked)).await?.try_get(0)? {
        return Ok(0);
    }
    let asked = "SELECT coalesce(max(version), 0) FROM moneyer_schema";
    Ok(connection.fetch_one(sqlx::raw_sql(asked)).await?.try_get(0)?)
}

/// Makes what is missing, within a transaction. Returns the version that was found once nobody else was at it.
pub(super) async fn upgrade(connection: &mut PgConnection) -> Result<i32, Failure> {
    connection.execute(sqlx::raw_sql(LOCK)).await?;
    let found = version(connection).await?;
    if found == 0 {
        connection.execute(sqlx::raw_sql(TABLE)).await?;
    }
    for (make, version) in VERSIONS.into_iter().zip(1..).filter(|(_, version)| *version > found) {
        connection.execute(sqlx::raw_sql(make)).await?;
        let noted = format!("INSERT INTO moneyer_schema (version) VALUES ({version})");
        connection.execute(sqlx::raw_sql(&noted)).await?;
    }
    Ok(found)
}
