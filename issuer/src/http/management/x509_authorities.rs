//! `/keys/x509`: the authorities of X.509-SVIDs, which have the states and the commands of signing keys.
//!
//! A path of its own: whoever reads `/keys` finds what signs tokens there, and nothing else.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use moneyer_authority::Authority;
use moneyer_authority::keys::{KeyState, Line, Outlook};
use moneyer_authority::svid::X509AuthorityRecord;
use moneyer_identity::{KeyCertificate, KeyId, UnixTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{KeyCommandBody, KeyStepsView, StepView};

/// An authority of X.509-SVIDs, without anything private.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct X509AuthorityView {
    pub(crate) key_id: KeyId,
    pub(crate) state: KeyState,
    pub(crate) created_at: UnixTime,
    pub(crate) published_at: Option<UnixTime>,
    pub(crate) activated_at: Option<UnixTime>,
    pub(crate) sign_until: Option<UnixTime>,
    /// From when its certificate is valid no more.
    pub(crate) not_after: UnixTime,
    /// Its certificate, the base64 of its DER.
    pub(crate) certificate: KeyCertificate,
    /// What comes next for it.
    pub(crate) next: Option<StepView>,
}

impl X509AuthorityView {
    fn of(record: &X509AuthorityRecord, outlook: &[Outlook]) -> Self {
        let about = (&record.key_id, record.state, Line::Primary);
        Self {
            key_id: record.key_id.clone(),
            state: record.state,
            created_at: record.created_at,
            published_at: record.published_at,
            activated_at: record.activated_at,
            sign_until: record.sign_until,
            not_after: record.not_after,
            certificate: record.certificate.clone(),
            next: StepView::next_of(about, outlook),
        }
    }

    /// Every authority, the active one first.
    pub(crate) fn all(authority: &Authority) -> Vec<Self> {
        let (ring, outlook) = (authority.x509_authorities().ring(), outlook(authority));
        ring.records().map(|record| Self::of(record, &outlook)).collect()
    }
}

pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<X509AuthorityView>> {
    Json(X509AuthorityView::all(&authority))
}

pub(super) async fn command(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<KeyCommandBody>, JsonRejection>,
) -> Result<Json<KeyStepsView>, Problem> {
    let Json(body) = body?;
    if body.algorithm.is_some() {
        return Err(Problem::invalid("an X.509 authority has no algorithm to choose"));
    }
    let command = body
        .command(authority.keys().kinds())?
        .ok_or_else(|| Problem::invalid("retire needs a key_id; prepare and rotate take none"))?;
    let steps = if body.dry_run {
        authority.judge_x509(&operator, &command)?
    } else {
        authority.command_x509(&operator, &command).await?
    };
    let signs = authority.x509_authorities().ring().key_ids().next();
    Ok(Json(KeyStepsView {
        dry_run: body.dry_run,
        steps: steps.iter().map(StepView::from).collect(),
        outlook: outlook(&authority).iter().map(StepView::from).collect(),
        signs,
    }))
}

fn outlook(authority: &Authority) -> Vec<Outlook> {
    authority.x509_authorities().outlook(authority.now())
}
