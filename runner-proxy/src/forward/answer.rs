//! The upstream's answer on its way to the sandbox: as it came, but for what belongs to the connection.
//!
//! Redirects and challenges are for the sandbox to see; nothing here follows them. An answer that two readers would
//! end at different places is passed to nobody (RFC 9112 section 6.3). Tokens are taken out where an endpoint asks for it.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, Version};

use super::body::{Answered, WhilePermitted};
use super::headers;
use super::redaction::{self, Redaction};
use super::refusal::Refusal;
use super::standing::Standing;

/// An answer that is passed on for as long as its request is permitted, without the tokens that are to be taken out of it.
pub(super) fn pass(
    answer: http::Response<Answered>,
    standing: Arc<Standing>,
    redaction: Option<Redaction>,
) -> Result<Response, Refusal> {
    if redaction.is_some() {
        redaction::check_in_the_open(answer.status(), answer.headers())?;
    }
    let framed_twice = answer.headers().contains_key(CONTENT_LENGTH)
        && answer.headers().contains_key(TRANSFER_ENCODING);
    if framed_twice || answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::Answer);
    }
    let (mut parts, body) = answer.into_parts();
    headers::strip(&mut parts.headers);
    headers::say_via(&mut parts.headers, parts.version);
    parts.version = Version::default();
    parts.extensions.clear();
    let body = WhilePermitted::new(body, move || standing.is_permitted());
    let Some(redaction) = redaction else {
        return Ok(Response::from_parts(parts, Body::new(body)));
    };
    redaction.headers(&mut parts.headers);
    Ok(Response::from_parts(parts, Body::new(redaction.body(body))))
}
