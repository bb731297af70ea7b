//! `GET /issuer` and `GET /keys`.

use axum::Json;
use axum::extract::State;
use moneyer_authority::Authority;

use crate::http::authenticate::Operator;
use crate::http::management::views::{IssuerView, KeyView};

pub(super) async fn issuer(_: Operator, State(authority): State<Authority>) -> Json<IssuerView> {
    Json(IssuerView {
        issuer: authority.issuer().clone(),
        jwks_uri: authority.published().metadata.jwks_uri,
        trust_domain: authority.trust_domain().as_str().to_owned(),
    })
}

pub(super) async fn list(_: Operator, State(authority): State<Authority>) -> Json<Vec<KeyView>> {
    let ring = authority.keys().ring();
    Json(ring.keys().iter().map(|key| KeyView::from(&*key.record)).collect())
}
