//! What the X.509-SVIDs of all sandboxes are made with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::keeper::SvidKeeper;
use super::signer::SvidSigner;
use super::subject::SvidSubject;
use crate::coordinator::KnownBundles;
use crate::metrics::Metrics;
use crate::token::Timeline;

/// What X.509-SVIDs are made with. Clones share everything.
#[derive(Clone)]
pub(crate) struct SvidOffice {
    pub(super) signer: Arc<dyn SvidSigner>,
    /// Which authorities are believed.
    pub(super) bundles: Arc<KnownBundles>,
    /// Whether the coordinator can be reached.
    pub(super) connected: watch::Receiver<bool>,
    /// A random part of a duration, injected.
    pub(super) random_part: fn(Duration) -> Duration,
    /// Widest jitter of renewals.
    pub(super) jitter: Duration,
    pub(super) timeline: Timeline,
    pub(super) metrics: Metrics,
}

impl SvidOffice {
    pub(crate) fn new(
        signer: Arc<dyn SvidSigner>,
        (bundles, connected): (Arc<KnownBundles>, watch::Receiver<bool>),
        (random_part, jitter): (fn(Duration) -> Duration, Duration),
        timeline: Timeline,
        metrics: Metrics,
    ) -> Self {
        Self { signer, bundles, connected, random_part, jitter, timeline, metrics }
    }

    /// Keeps the SVID of one sandbox until `stop`.
    pub(crate) fn keeper(&self, subject: SvidSubject, stop: CancellationToken) -> Arc<SvidKeeper> {
        SvidKeeper::new(self.clone(), subject, stop)
    }
}
