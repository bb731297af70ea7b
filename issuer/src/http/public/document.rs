//! The public documents, rendered.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use moneyer_authority::keys::Published;

/// One document: bytes that never change, and the headers that go with them.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    body: Bytes,
    etag: HeaderValue,
    cache_control: HeaderValue,
}

impl Document {
    fn render<T: serde::Serialize>(value: &T, max_age: Duration) -> Result<Self, RenderError> {
        let body = Bytes::from(serde_json::to_vec(value).map_err(RenderError::Json)?);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        // 128 bits tell documents apart.
        let tag = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default());
        let text = |text: String| HeaderValue::try_from(text).map_err(RenderError::Header);
        Ok(Self {
            body,
            etag: text(format!("\"{tag}\""))?,
            cache_control: text(format!("public, max-age={}", max_age.as_secs()))?,
        })
    }

    /// The whole document, or 304 to a client that has it.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let headers = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, self.cache_control.clone()),
        ];
        if self.is_known_to(request) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let content_type = HeaderValue::from_static("application/json");
        (headers, [(header::CONTENT_TYPE, content_type)], self.body.clone()).into_response()
    }

    /// `If-None-Match` by weak comparison (RFC 9110 section 13.1.2).
    fn is_known_to(&self, request: &HeaderMap) -> bool {
        let ours = self.etag.as_bytes();
        request.get_all(header::IF_NONE_MATCH).iter().any(|value| {
            value.as_bytes().split(|&byte| byte == b',').any(|tag| {
                let tag = tag.trim_ascii();
                tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == ours
            })
        })
    }
}

/// Why the documents cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error("a public document cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    #[error("a public document's headers cannot be written")]
    Header(#[source] header::InvalidHeaderValue),
}

/// The documents of one ring.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) discovery: Document,
    pub(crate) key_set: Document,
}

/// The documents of the moment, swapped whole: no reader sees a key set of one ring and a discovery
/// document of another.
#[derive(Debug, Clone)]
pub(crate) struct PublicDocuments {
    rendered: Arc<ArcSwap<Rendered>>,
    max_age: Duration,
}

impl PublicDocuments {
    /// Renders the documents.
    pub(crate) fn new(published: &Published, max_age: Duration) -> Result<Self, RenderError> {
        let rendered = render(published, max_age)?;
        Ok(Self { rendered: Arc::new(ArcSwap::from_pointee(rendered)), max_age })
    }

    /// Renders what has changed.
    pub(crate) fn replace(&self, published: &Published) -> Result<(), RenderError> {
        self.rendered.store(Arc::new(render(published, self.max_age)?));
        Ok(())
    }

    /// The documents of this moment.
    pub(crate) fn now(&self) -> Arc<Rendered> {
        self.rendered.load_full()
    }
}

fn render(published: &Published, max_age: Duration) -> Result<Rendered, RenderError> {
    Ok(Rendered {
        discovery: Document::render(&published.metadata, max_age)?,
        key_set: Document::render(&published.key_set, max_age)?,
    })
}
