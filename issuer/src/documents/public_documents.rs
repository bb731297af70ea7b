//! The public documents of the moment.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_authority::keys::Published;
use tokio::sync::watch;

use super::document::{Document, Kind, RenderError};
use super::places::{BundleViews, PlacedDocument, Places};

/// The documents of one moment, and what they say.
#[derive(Debug)]
pub(crate) struct Rendered {
    published: Published,
    places: Places,
    bundle: Document,
}

impl Rendered {
    fn new(
        published: Published,
        key_set_paths: &[String],
        max_age: Duration,
    ) -> Result<Self, RenderError> {
        let key_set = Document::render(Kind::KeySet, &published.key_set, max_age)?;
        let bundle = BundleViews::of(&published.bundle)?;
        let mut places = Places::default();
        let discovery = Document::render(Kind::Metadata, &published.metadata, max_age)?;
        let issuer = &published.metadata.issuer;
        places.put_issuer(None, issuer, key_set_paths, (&discovery, &key_set), &bundle);
        for metadata in &published.previous {
            let discovery = Document::render(Kind::Metadata, metadata, max_age)?;
            let host = Some(metadata.issuer.authority());
            let issuer = &metadata.issuer;
            places.put_issuer(host, issuer, key_set_paths, (&discovery, &key_set), &bundle);
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
    /// Paths of the key set under an issuer.
    key_set_paths: Arc<[String]>,
    max_age: Duration,
    changed: Arc<watch::Sender<u64>>,
}

impl PublicDocuments {
    /// Renders the documents. The key set is at each of these paths under its issuer.
    pub(crate) fn new(
        published: Published,
        key_set_paths: impl IntoIterator<Item = String>,
        max_age: Duration,
    ) -> Result<Self, RenderError> {
        let key_set_paths: Arc<[String]> = key_set_paths.into_iter().collect();
        let rendered = Rendered::new(published, &key_set_paths, max_age)?;
        let rendered = Arc::new(ArcSwap::from_pointee(rendered));
        Ok(Self { rendered, key_set_paths, max_age, changed: Arc::default() })
    }

    /// Renders what has changed.
    pub(crate) fn replace(&self, published: Published) -> Result<(), RenderError> {
        let rendered = Rendered::new(published, &self.key_set_paths, self.max_age)?;
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
