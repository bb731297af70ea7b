//! `POST /v1/login/spiffe`: a token of this cluster for an SVID of a trust domain that may log in.
//!
//! A JWT-SVID is a bearer token in `Authorization` (JWT-SVID section 5.2) or in the body; without one the X.509-SVID
//! counts that the client showed in its handshake. The answer
//! is that of OAuth 2.0 (RFC 6749 section 5.1), with who it is for and by which policies.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use moneyer_authority::login::{LocalToken, LoginError, Svid};
use moneyer_daemon::listener::Peer;
use moneyer_daemon::tls::ShownChain;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{Lifetime, PolicyName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::routes::ExchangeState;
use crate::http::authenticate::bearer;
use crate::http::error::Problem;

/// What is asked for. A secret: it has no `Debug`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginBody {
    /// A JWT-SVID.
    #[serde(default)]
    jwt_svid: Option<String>,
    /// How long the token is to live, in seconds.
    #[serde(default)]
    lifetime: Option<Lifetime>,
}

/// The token, and what it is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LoginView<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u32,
    spiffe_id: &'a SpiffeId,
    policies: &'a [PolicyName],
}

pub(super) async fn spiffe(
    State(state): State<ExchangeState>,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = read(&body?)?;
    let carried = bearer(&headers);
    if carried.is_some() && body.jwt_svid.is_some() {
        // Which of them is meant would be for us to guess.
        return Err(Problem::invalid("a JWT-SVID is shown once: in Authorization or in the body"));
    }
    let shown = peer.shown.iter().flat_map(ShownChain::certificates);
    let chain: Vec<&[u8]> = shown.map(AsRef::as_ref).collect();
    let svid = match body.jwt_svid.as_deref().or(carried) {
        Some(text) => Svid::Jwt(text),
        None => Svid::X509(&chain),
    };
    let outcome = state.desk.log_in(svid, body.lifetime).await;
    state.metrics.logged_in(outcome.as_ref().map(drop).map_err(LoginError::class));
    Ok(answer(&outcome?))
}

/// An empty body asks for nothing special.
fn read(body: &[u8]) -> Result<LoginBody, Problem> {
    if body.is_empty() {
        return Ok(LoginBody::default());
    }
    // serde takes an array for an object whose members stand in order.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    // What it says of a text may hold a part of it, which is a secret.
    let read = is_object.then(|| serde_json::from_slice(body).ok()).flatten();
    read.ok_or_else(|| {
        Problem::invalid(
            "the body is a JSON object with jwt_svid, a text, and lifetime, a number of seconds; both may be left out",
        )
    })
}

fn answer(token: &LocalToken) -> Response {
    let view = LoginView {
        access_token: token.minted.token.expose(),
        token_type: "Bearer",
        expires_in: token.minted.expires_in.seconds(),
        spiffe_id: &token.id,
        policies: &token.policies,
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, Json(view)).into_response()
}
