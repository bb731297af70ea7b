//! `/keys`: the list, commands, and keys of another issuer.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use moneyer_authority::Authority;
use moneyer_authority::keys::Import;
use moneyer_identity::KeySet;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{
    ImportBody, ImportedKeyView, ImportedView, KeyCommandBody, KeyStepsView, KeyView, StepView,
};

pub(super) async fn list(_: Operator, State(authority): State<Authority>) -> Json<Vec<KeyView>> {
    let outlook = authority.keys().outlook(authority.now());
    let ring = authority.keys().ring();
    Json(ring.records().map(|record| KeyView::of(record, &outlook)).collect())
}

/// The key set as it is served to relying parties.
pub(super) async fn published(_: Operator, State(authority): State<Authority>) -> Json<KeySet> {
    Json(authority.published().key_set)
}

pub(super) async fn command(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<KeyCommandBody>, JsonRejection>,
) -> Result<Json<KeyStepsView>, Problem> {
    let Json(body) = body?;
    let command = body.command(authority.keys().kinds())?.ok_or_else(|| {
        Problem::invalid(
            "retire needs a key_id; prepare and rotate take none; only prepare takes an algorithm",
        )
    })?;
    let steps = if body.dry_run {
        authority.judge_keys(&operator, &command)?
    } else {
        authority.command_keys(&operator, &command).await?
    };
    let outlook = authority.keys().outlook(authority.now());
    Ok(Json(KeyStepsView {
        dry_run: body.dry_run,
        steps: steps.iter().map(StepView::from).collect(),
        outlook: outlook.iter().map(StepView::from).collect(),
        signs: authority.keys().ring().keys().first().map(|key| key.record.key_id.clone()),
    }))
}

pub(super) async fn import(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<ImportBody>, JsonRejection>,
) -> Result<Json<ImportedView>, Problem> {
    let Json(ImportBody { keys, dry_run }) = body?;
    if keys.is_empty() {
        return Err(Problem::invalid("keys is empty; name at least one key"));
    }
    let mut imports = Vec::with_capacity(keys.len());
    for (at, key) in keys.into_iter().enumerate() {
        let key = key.verifying_key();
        let key = key.map_err(|error| Problem::invalid(format!("keys[{at}]: {error}")))?;
        imports.push(Import::verifying(key));
    }
    let added = if dry_run {
        authority.judge_import(&operator, imports)?
    } else {
        authority.import_keys(&operator, imports).await?
    };
    let schedule = authority.keys().schedule();
    let keys = added.iter().map(|record| ImportedKeyView::of(record, schedule)).collect();
    Ok(Json(ImportedView { dry_run, keys }))
}
