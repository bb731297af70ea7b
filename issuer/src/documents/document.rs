//! One public document, rendered.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, header};

/// OpenID Connect Discovery 1.0 section 4.2, RFC 7517 section 8.5.2: relying parties take a key set as this,
/// and some as nothing else. SPIFFE Federation section 5: so is a bundle.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// RFC 8555 section 9.1.
const PEM: HeaderValue = HeaderValue::from_static("application/pem-certificate-chain");

/// What a document is. In the order in which copies are written: who reads a discovery document finds
/// the key set that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The trust bundle, whole or in part.
    Bundle,
    /// The key set.
    KeySet,
    /// Discovery, and RFC 8414 metadata.
    Metadata,
}

/// One document: bytes that never change, and the headers that go with them.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    kind: Kind,
    media_type: HeaderValue,
    body: Bytes,
    etag: HeaderValue,
    cache_control: HeaderValue,
}

impl Document {
    pub(super) fn render<T: serde::Serialize>(
        kind: Kind,
        value: &T,
        max_age: Duration,
    ) -> Result<Self, RenderError> {
        let body = Bytes::from(serde_json::to_vec(value).map_err(RenderError::Json)?);
        Self::written(kind, JSON, body, max_age)
    }

    /// A view of the trust bundle that is JSON.
    pub(super) fn bundle(text: String, max_age: Duration) -> Result<Self, RenderError> {
        Self::written(Kind::Bundle, JSON, text.into(), max_age)
    }

    /// The certificates of the trust bundle.
    pub(super) fn certificates(text: String, max_age: Duration) -> Result<Self, RenderError> {
        Self::written(Kind::Bundle, PEM, text.into(), max_age)
    }

    fn written(
        kind: Kind,
        media_type: HeaderValue,
        body: Bytes,
        max_age: Duration,
    ) -> Result<Self, RenderError> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        // 128 bits tell documents apart.
        let tag = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default());
        let text = |text: String| HeaderValue::try_from(text).map_err(RenderError::Header);
        Ok(Self {
            kind,
            media_type,
            body,
            etag: text(format!("\"{tag}\""))?,
            cache_control: text(format!("public, max-age={}", max_age.as_secs()))?,
        })
    }

    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its media type.
    pub(crate) fn media_type(&self) -> &HeaderValue {
        &self.media_type
    }

    /// The bytes, as they are served.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The entity tag.
    pub(crate) fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// How long it may be cached.
    pub(crate) fn cache_control(&self) -> &HeaderValue {
        &self.cache_control
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
