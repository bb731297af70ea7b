//! `/store`: copies and sealing anew, while the coordinator runs.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use moneyer_authority::Authority;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::routes::Keeping;
use crate::http::management::views::{BackupBody, CopiedView};

/// What was sealed anew.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RekeyedView {
    /// The generation of the store with it.
    generation: u64,
}

/// Writes a copy of everything into a new file on this machine, and reads it back. For users of this machine alone:
/// nobody else is to choose where files are written here.
pub(super) async fn backup(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    State(Keeping(store)): State<Keeping>,
    body: Result<Json<BackupBody>, JsonRejection>,
) -> Result<Json<CopiedView>, Problem> {
    let Json(BackupBody { file }) = body?;
    if !file.is_absolute() {
        return Err(Problem::invalid(
            "file: must be an absolute path on the coordinator's machine",
        ));
    }
    operator.is_local()?;
    authority.note_backup(&operator, &file).await?;
    let copied = store.backup(&file).await?;
    Ok(Json(CopiedView::of(&file, copied)))
}

/// Seals every private key anew under the present key.
pub(super) async fn rekey(
    Operator(operator): Operator,
    State(Keeping(store)): State<Keeping>,
    State(authority): State<Authority>,
) -> Result<Json<RekeyedView>, Problem> {
    let kek = store.sealed_under().unwrap_or_default();
    authority.note_rekey(&operator, kek).await?;
    let generation = store.rekey().await?;
    Ok(Json(RekeyedView { generation: generation.0 }))
}
