//! Where each document is.

use std::collections::HashMap;

use moneyer_identity::IssuerUrl;
use moneyer_identity::spiffe::TrustBundle;

use super::document::{Document, RenderError};

/// Where each document is: by path, and for a previous issuer by host too.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, Vec<Place>>);

/// The trust bundle, as its readers take it.
#[derive(Debug)]
pub(super) struct BundleViews {
    /// The SPIFFE bundle document.
    pub(super) whole: Document,
    /// The keys of JWT-SVIDs, for readers that know nothing of SPIFFE.
    pub(super) keys: Document,
    /// The authorities of X.509-SVIDs.
    pub(super) certificates: Document,
}

impl BundleViews {
    /// Cached no longer than its readers wait before they ask again.
    pub(super) fn of(bundle: &TrustBundle) -> Result<Self, RenderError> {
        let max_age = bundle.refresh_hint().unwrap_or_default();
        Ok(Self {
            whole: Document::bundle(bundle.to_document(), max_age)?,
            keys: Document::bundle(bundle.to_jwks(), max_age)?,
            certificates: Document::certificates(bundle.to_pem(), max_age)?,
        })
    }
}

/// The documents of one issuer.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfIssuer<'a> {
    pub(super) discovery: &'a Document,
    /// RFC 8414 metadata.
    pub(super) server: &'a Document,
    pub(super) key_set: &'a Document,
    pub(super) bundle: &'a BundleViews,
}

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

    /// Discovery, RFC 8414 metadata, the key set and the trust bundle of one issuer. Discovery is appended to the issuer,
    /// path included; RFC 8414 section 3.1 inserts its path between host and issuer path. Both are
    /// served.
    pub(super) fn put_issuer(
        &mut self,
        host: Option<&str>,
        issuer: &IssuerUrl,
        paths: &[String],
        OfIssuer { discovery, server, key_set, bundle }: OfIssuer<'_>,
    ) {
        let prefix = issuer.path();
        self.put(host, format!("{prefix}/.well-known/openid-configuration"), discovery);
        self.put(host, format!("{prefix}/.well-known/oauth-authorization-server"), server);
        self.put(host, format!("/.well-known/oauth-authorization-server{prefix}"), server);
        for path in paths {
            self.put(host, format!("{prefix}{path}"), key_set);
        }
        self.put(host, format!("{prefix}/.well-known/spiffe-bundle"), &bundle.whole);
        self.put(host, format!("{prefix}/.well-known/spiffe-jwks.json"), &bundle.keys);
        self.put(host, format!("{prefix}/.well-known/spiffe-bundle.pem"), &bundle.certificates);
    }

    /// The document at a path: a previous issuer's for its host, the current one's for everyone else.
    /// The host only chooses; it contributes no byte.
    pub(super) fn find(&self, host: Option<&str>, path: &str) -> Option<&Document> {
        let places = self.0.get(path)?;
        let previous = places.iter().find(|place| {
            let asked = place.host.as_deref().zip(host);
            asked.is_some_and(|(of, host)| is_same_host(of, host))
        });
        let anyones = places.iter().find(|place| place.host.is_none());
        previous.or(anyones).map(|place| &place.document)
    }

    /// Everything that a host answers with.
    pub(super) fn at_host(&self, host: &str) -> Vec<PlacedDocument> {
        let placed = |path: &String| {
            let document = self.find(Some(host), path)?.clone();
            Some(PlacedDocument { path: path.clone(), document })
        };
        let mut documents: Vec<_> = self.0.keys().filter_map(placed).collect();
        documents.sort_by(|a, b| (a.document.kind(), &a.path).cmp(&(b.document.kind(), &b.path)));
        documents
    }
}

/// A document and where it is on its host.
#[derive(Debug, Clone)]
pub(crate) struct PlacedDocument {
    /// Begins with a slash.
    pub(crate) path: String,
    pub(crate) document: Document,
}

/// Whether a `Host` names an issuer's authority: without regard to case, its port the issuer's or left
/// out where that is the one of https.
fn is_same_host(of: &str, host: &str) -> bool {
    let bare = |name: &str| name.strip_suffix(":443").unwrap_or(name).to_ascii_lowercase();
    bare(of) == bare(host)
}
