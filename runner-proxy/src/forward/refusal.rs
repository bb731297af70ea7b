//! Why a request does not go on, and what the sandbox is told of it: the only place that makes such an answer.
//!
//! A class and what to do, never a cause: causes may hold what a token endpoint or an upstream said.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use moneyer_identity::ErrorClass;
use moneyer_identity::grant::GrantRefusal;

use crate::audit::Word;
use crate::grant::GrantError;

/// When to ask again where the coordinator is away: as often as it is tried to reach it.
const RETRY_AFTER_SECONDS: &str = "5";

/// What the sandbox is told.
#[derive(serde::Serialize)]
struct Body {
    error: &'static str,
    detail: String,
}

/// Why a request does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It is no request for a proxy, or has no single meaning.
    #[error("{0}")]
    Malformed(&'static str),
    /// Nobody that is known makes it.
    #[error("the proxy credentials are missing or wrong")]
    Credentials,
    /// The sandbox has left, or may do nothing.
    #[error("the sandbox may reach nothing")]
    NoGrants,
    /// The coordinator has been away for so long that what it said stands no more.
    #[error("the coordinator has not been heard for longer than grants.max_age")]
    Outdated,
    /// Its grants do not permit it.
    #[error("the sandbox's grants do not permit it")]
    Policy(#[source] GrantRefusal),
    /// It is for another authority than its connection.
    #[error("the request is for another authority than its tunnel")]
    Authority,
    /// The host leads to no address that may be reached.
    #[error("the host has no address that may be reached")]
    Address,
    /// What the sandbox may do changed while it waited.
    #[error("what the sandbox may do changed meanwhile")]
    Changed,
    /// It was sent, and is no longer permitted.
    #[error(
        "the request was broken off, since it is no longer permitted; the upstream may have acted on it"
    )]
    BrokenOff,
    /// A token would travel unencrypted where encryption is usual.
    #[error(
        "a token is sent in plain HTTP to port 80 alone, or to the addresses that its endpoint names"
    )]
    Plaintext,
    /// Its endpoint takes no `WebSocket`.
    #[error(
        "the endpoint takes requests, and no WebSocket: its profile has to say protocol: websocket, and none redact_echo"
    )]
    NoWebSocket,
    /// The sandbox has as many tunnels as it may.
    #[error("the sandbox has as many tunnels as it may")]
    Busy,
    /// The sandbox has as many connections to the proxy as it may.
    #[error("the sandbox has as many connections to the proxy as it may")]
    Crowded,
    /// The sandbox has as many connections to upstreams as it may.
    #[error("the sandbox has as many connections to upstreams as it may")]
    Connections,
    /// The name cannot be looked up.
    #[error("the host cannot be looked up")]
    Name(#[source] io::Error),
    /// There is no token for it.
    #[error("there is no token for the request")]
    Grant(#[source] Arc<GrantError>),
    /// A header of a grant is none.
    #[error("the header of a grant cannot be used")]
    Header,
    /// The upstream cannot be reached.
    #[error("the upstream cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The upstream's certificate is not for it.
    #[error("the upstream's TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The upstream broke off or sent no answer that could be passed on.
    #[error("the upstream sent no usable answer")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent an answer that two readers would read in two ways.
    #[error("the upstream's answer is malformed")]
    Answer,
    /// The answer is compressed, and tokens are to be taken out of it.
    #[error(
        "the upstream's answer is compressed, so that no token in it would be found (redact_echo)"
    )]
    Compressed,
    /// The answer is a part of one, and tokens are to be taken out of it.
    #[error(
        "the upstream's answer is a part of one, so that no token in it would be found (redact_echo)"
    )]
    Partial,
    /// The upstream took too long.
    #[error("the upstream sent no answer in time")]
    TooSlow,
}

impl Refusal {
    /// A word for it, of which there are few.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "bad_request",
            Self::Credentials => "proxy_authentication_required",
            Self::NoGrants
            | Self::Policy(_)
            | Self::Changed
            | Self::Plaintext
            | Self::NoWebSocket => "policy_denied",
            Self::BrokenOff => "broken_off",
            Self::Outdated => "coordinator_away",
            Self::Authority => "request_authority_mismatch",
            Self::Address => "destination_address_denied",
            Self::Busy => "too_many_tunnels",
            Self::Crowded | Self::Connections => "too_many_connections",
            Self::Grant(_) | Self::Header => "token_grant_failed",
            Self::Name(_) | Self::Unreachable(_) => "upstream_unreachable",
            Self::Tls(_) => "upstream_tls_failed",
            Self::Upstream(_) | Self::Answer | Self::Compressed | Self::Partial => {
                "upstream_failed"
            }
            Self::TooSlow => "upstream_timeout",
        }
    }

    /// What is recorded of it, where it is what the sandbox may not do, or where it may not go.
    pub(super) fn recorded(&self) -> Option<Word> {
        let reason = match self {
            Self::NoGrants => "no_grants",
            Self::Policy(refusal) => refusal.as_str(),
            Self::Changed => "changed",
            Self::BrokenOff => "broken_off",
            Self::Plaintext => "plaintext",
            Self::NoWebSocket => "no_websocket",
            Self::Authority => "authority",
            Self::Address => "address",
            Self::Malformed(_)
            | Self::Credentials
            | Self::Busy
            | Self::Crowded
            | Self::Connections
            | Self::Outdated
            | Self::Name(_)
            | Self::Grant(_)
            | Self::Header
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Upstream(_)
            | Self::Answer
            | Self::Compressed
            | Self::Partial
            | Self::TooSlow => return None,
        };
        Some(Word { class: ErrorClass::Denied.as_str(), reason })
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Credentials => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            Self::NoGrants
            | Self::Policy(_)
            | Self::Authority
            | Self::Address
            | Self::Changed
            | Self::Plaintext
            | Self::NoWebSocket => StatusCode::FORBIDDEN,
            Self::Outdated | Self::Busy | Self::Crowded | Self::Connections => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Grant(error) if error.is_coordinator_away() => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::Grant(_)
            | Self::Header
            | Self::BrokenOff
            | Self::Name(_)
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Upstream(_)
            | Self::Answer
            | Self::Compressed
            | Self::Partial => StatusCode::BAD_GATEWAY,
        }
    }

    /// What is said beside the word.
    fn detail(&self) -> String {
        match self {
            // Of its causes none is from elsewhere.
            Self::Policy(refusal) => crate::chain(refusal),
            Self::Grant(_) | Self::Header => "dynamic token grant failed".to_owned(),
            other => other.to_string(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Body { error: self.as_str(), detail: self.detail() };
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::Credentials) {
            let challenge = HeaderValue::from_static("Basic realm=\"moneyer\"");
            headers.insert(header::PROXY_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::Credentials | Self::Crowded) {
            // Whoever is not known keeps no connection, and whoever has enough of them no other.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let after = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}
