//! The public documents of the moment.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_authority::keys::Published;
use tokio::sync::watch;

use super::authorization_server::AuthorizationServerMetadata;
use super::document::{Document, Kind, RenderError};
use super::places::{BundleViews, OfIssuer, PlacedDocument, Places};

/// What the documents of every moment have in common.
#[derive(Debug, Clone)]
pub(crate) struct DocumentRules {
    /// Paths of the key set under an issuer.
    pub(crate) key_set_paths: Vec<String>,
    /// Where tokens are exchanged, if it is told.
    pub(crate) token_endpoint: Option<String>,
    /// How long their readers may keep them.
    pub(crate) max_age: Duration,
}

/// The documents of one moment, and what they say.
#[derive(Debug)]
pub(crate) struct Rendered {
    published: Published,
    places: Places,
    bundle: Document,
}

impl Rendered {
    fn new(published: Published, rules: &DocumentRules) -> Result<Self, RenderError> {
        let max_age = rules.max_age;
        let paths = &rules.key_set_paths;
        let key_set = Document::render(Kind::KeySet, &published.key_set, max_age)?;
        let bundle = BundleViews::of(&published.bundle)?;
        let mut places = Places::default();
        let discovery = Document::render(Kind::Metadata, &published.metadata, max_age)?;
        let server = match &rules.token_endpoint {
            Some(endpoint) => {
                let metadata = AuthorizationServerMetadata::new(&published.metadata, endpoint);
                Document::render(Kind::Metadata, &metadata, max_age)?
            }
            None => discovery.clone(),
        };
        let issuer = &published.metadata.issuer;
        let documents =
            OfIssuer { discovery: &discovery, server: &server, key_set: &key_set, bundle: &bundle };
        places.put_issuer(None, issuer, paths, documents);
        for metadata in &published.previous {
            // What is exchanged has the issuer of today: a client of an earlier one is told nothing of it.
            let discovery = Document::render(Kind::Metadata, metadata, max_age)?;
            let host = Some(metadata.issuer.authority());
            let documents = OfIssuer { discovery: &discovery, server: &discovery, ..documents };
            places.put_issuer(host, &metadata.issuer, paths, documents);
        }
        Ok(Self { published, places, bundle: bundle.whole })
    }

    /// What the documents say.
    pub(crate) fn published(&self) -> &Published {
        &self.published
    }

    /// The SPIFFE bundle document.
    pub(crate) fn bundle(&self) -> Document {
        self.bundle.clone()
    }

    /// Everything that the host of the issuer answers with, key sets first.
    pub(crate) fn at_issuer(&self) -> Vec<PlacedDocument> {
        self.places.at_host(self.published.metadata.issuer.authority())
    }
}

/// The documents of the moment, swapped whole: no reader sees a key set of one ring and a discovery
/// document of another.
#[derive(Debug, Clone)]
pub(crate) struct PublicDocuments {
    rendered: Arc<ArcSwap<Rendered>>,
    rules: Arc<DocumentRules>,
    changed: Arc<watch::Sender<u64>>,
}

impl PublicDocuments {
    /// Renders the documents.
    pub(crate) fn new(published: Published, rules: DocumentRules) -> Result<Self, RenderError> {
        let rendered = Arc::new(ArcSwap::from_pointee(Rendered::new(published, &rules)?));
        Ok(Self { rendered, rules: Arc::new(rules), changed: Arc::default() })
    }

    /// Renders what has changed.
    pub(crate) fn replace(&self, published: Published) -> Result<(), RenderError> {
        let rendered = Rendered::new(published, &self.rules)?;
        self.rendered.store(Arc::new(rendered));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Tells whenever they have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The documents of this moment.
    pub(crate) fn now(&self) -> Arc<Rendered> {
        self.rendered.load_full()
    }

    /// The document at a path: a previous issuer's for its host, the current one's for everyone else.
    /// The host only chooses; it contributes no byte.
    pub(crate) fn find(&self, host: Option<&str>, path: &str) -> Option<Document> {
        self.rendered.load().places.find(host, path).cloned()
    }
}
