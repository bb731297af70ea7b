//! `/issuer`: the issuer of the moment and the previous ones, and moving.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use moneyer_authority::Authority;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{IssuerView, MoveBody, PreviousIssuerView};

pub(super) async fn show(_: Operator, State(authority): State<Authority>) -> Json<IssuerView> {
    Json(view(&authority))
}

pub(super) async fn move_to(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<MoveBody>, JsonRejection>,
) -> Result<Json<IssuerView>, Problem> {
    let Json(body) = body?;
    authority.move_issuer(&operator, &body.issuer).await?;
    Ok(Json(view(&authority)))
}

fn view(authority: &Authority) -> IssuerView {
    let list = authority.issuers().list();
    let previous = list.previous().iter().map(|left| PreviousIssuerView {
        issuer: left.issuer.clone(),
        left_at: left.left_at,
        until: left.until,
    });
    IssuerView {
        issuer: list.current().clone(),
        since: list.since(),
        jwks_uri: authority.published().metadata.jwks_uri,
        trust_domain: authority.trust_domain().as_str().to_owned(),
        organization_id: authority.charter().parts.organization.clone(),
        publish_before_use_seconds: authority.keys().schedule().publish_before_use().as_secs(),
        previous: previous.collect(),
    }
}
