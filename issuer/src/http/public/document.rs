//! The public documents, rendered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use moneyer_authority::keys::Published;
use moneyer_identity::IssuerUrl;

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

/// Where each document is: by path, and for a previous issuer by host too.
#[derive(Debug, Default)]
struct Places(HashMap<String, Vec<Place>>);

/// One document at one path.
#[derive(Debug)]
struct Place {
    /// The host that asks for it; `None`: whoever asks.
    host: Option<String>,
    document: Document,
}

impl Places {
    fn put(&mut self, host: Option<&str>, path: String, document: &Document) {
        let places = self.0.entry(path).or_default();
        if !places.iter().any(|place| place.host.as_deref() == host) {
            places.push(Place { host: host.map(str::to_owned), document: document.clone() });
        }
    }

    /// Discovery, RFC 8414 metadata and the key set of one issuer. Discovery is appended to the issuer,
    /// path included; RFC 8414 section 3.1 inserts its path between host and issuer path. Both are
    /// served.
    fn put_issuer(
        &mut self,
        host: Option<&str>,
        issuer: &IssuerUrl,
        paths: &[String],
        (discovery, key_set): (&Document, &Document),
    ) {
        let prefix = issuer.path();
        self.put(host, format!("{prefix}/.well-known/openid-configuration"), discovery);
        self.put(host, format!("{prefix}/.well-known/oauth-authorization-server"), discovery);
        self.put(host, format!("/.well-known/oauth-authorization-server{prefix}"), discovery);
        for path in paths {
            self.put(host, format!("{prefix}{path}"), key_set);
        }
    }
}

/// The documents of the moment, swapped whole: no reader sees a key set of one ring and a discovery
/// document of another.
#[derive(Debug, Clone)]
pub(crate) struct PublicDocuments {
    places: Arc<ArcSwap<Places>>,
    /// Paths of the key set under an issuer.
    key_set_paths: Arc<[String]>,
    max_age: Duration,
}

impl PublicDocuments {
    /// Renders the documents. The key set is at each of these paths under its issuer.
    pub(crate) fn new(
        published: &Published,
        key_set_paths: impl IntoIterator<Item = String>,
        max_age: Duration,
    ) -> Result<Self, RenderError> {
        let key_set_paths: Arc<[String]> = key_set_paths.into_iter().collect();
        let documents = Self { places: Arc::default(), key_set_paths, max_age };
        documents.replace(published)?;
        Ok(documents)
    }

    /// Renders what has changed.
    pub(crate) fn replace(&self, published: &Published) -> Result<(), RenderError> {
        let key_set = Document::render(&published.key_set, self.max_age)?;
        let mut places = Places::default();
        let discovery = Document::render(&published.metadata, self.max_age)?;
        let issuer = &published.metadata.issuer;
        places.put_issuer(None, issuer, &self.key_set_paths, (&discovery, &key_set));
        for metadata in &published.previous {
            let discovery = Document::render(metadata, self.max_age)?;
            let host = Some(metadata.issuer.authority());
            let documents = (&discovery, &key_set);
            places.put_issuer(host, &metadata.issuer, &self.key_set_paths, documents);
        }
        self.places.store(Arc::new(places));
        Ok(())
    }

    /// The document at a path: a previous issuer's for its host, the current one's for everyone else.
    /// The host only chooses; it contributes no byte.
    pub(crate) fn find(&self, host: Option<&str>, path: &str) -> Option<Document> {
        let places = self.places.load();
        let places = places.0.get(path)?;
        let previous = places.iter().find(|place| {
            let asked = place.host.as_deref().zip(host);
            asked.is_some_and(|(of, host)| is_same_host(of, host))
        });
        let anyones = places.iter().find(|place| place.host.is_none());
        previous.or(anyones).map(|place| place.document.clone())
    }
}

/// Whether a `Host` names an issuer's authority: without regard to case, its port the issuer's or left
/// out where that is the one of https.
fn is_same_host(of: &str, host: &str) -> bool {
    let bare = |name: &str| name.strip_suffix(":443").unwrap_or(name).to_ascii_lowercase();
    bare(of) == bare(host)
}
