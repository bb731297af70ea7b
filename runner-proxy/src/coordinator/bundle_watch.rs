//! Following the trust bundles, for ever.
//!
//! A stream of its own on the one connection, begun whenever the [watch](super::Watch) of sandboxes says
//! that the coordinator is there: that one also notices when it goes. Whatever ends the stream, another is
//! begun after a wait with full jitter.

use std::sync::Arc;

use moneyer_daemon::backoff::{Backoff, jitter};
use moneyer_identity::IssueError;
use moneyer_proto::v1;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::bundles::{KnownBundles, ToldBundle, ToldBundles};
use super::client::{again_if_cut_off, within_limit};
use super::link::Link;
use super::watch::{GOOD_SESSION, WAIT_AFTER_GOOD_SESSION, WAIT_FIRST, WAIT_LONGEST};

/// Follows the trust bundles.
#[derive(Debug)]
pub(crate) struct BundleWatch {
    pub(crate) link: Arc<Link>,
    pub(crate) bundles: Arc<KnownBundles>,
}

impl BundleWatch {
    /// Follows until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow_for_ever() => {}
        }
    }

    async fn follow_for_ever(&self) {
        let mut backoff = Backoff::new(WAIT_FIRST, WAIT_LONGEST);
        let mut connected = self.link.connected();
        loop {
            if connected.wait_for(|connected| *connected).await.is_err() {
                return;
            }
            let begun = Instant::now();
            match self.begin().await {
                Ok(stream) => self.receive(stream).await,
                Err(error) => tracing::debug!(
                    error.class = error.class.as_str(), %error,
                    "the coordinator tells no trust bundles"
                ),
            }
            let wait = if begun.elapsed() >= GOOD_SESSION {
                backoff.reset();
                jitter(WAIT_AFTER_GOOD_SESSION)
            } else {
                backoff.after_failure()
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn begin(&self) -> Result<Streaming<v1::WatchTrustBundlesResponse>, IssueError> {
        // Without a limit in the request: it would be the stream's, which is to last.
        let watch = again_if_cut_off(|| {
            let mut minting = self.link.minting();
            async move { minting.watch_trust_bundles(v1::WatchTrustBundlesRequest {}).await }
        });
        within_limit(watch).await
    }

    /// Takes in bundles until the stream ends or fails. When there is another connection it goes on with a
    /// stream of that one.
    async fn receive(&self, mut stream: Streaming<v1::WatchTrustBundlesResponse>) {
        let mut replaced = self.link.replaced();
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                Ok(()) = replaced.changed() => {
                    if let Ok(fresh) = self.begin().await {
                        stream = fresh;
                    }
                    continue;
                }
            };
            match message {
                Ok(Some(message)) => self.take_in(message),
                Ok(None) => return,
                Err(status) => {
                    tracing::debug!(rpc.code = ?status.code(), "the watch of trust bundles ended");
                    return;
                }
            }
        }
    }

    fn take_in(&self, message: v1::WatchTrustBundlesResponse) {
        let Some(own) = message.own.and_then(told) else {
            tracing::error!("the coordinator tells trust bundles without its own; they are left");
            return;
        };
        let federated = message.federated.into_iter().filter_map(told).collect();
        if let Err(error) = self.bundles.take_in(ToldBundles { own, federated }) {
            tracing::error!(
                error.cause = crate::chain(&error),
                "the coordinator's own trust bundle is refused; the one before stays"
            );
        }
    }
}

fn told(bundle: v1::TrustBundle) -> Option<ToldBundle> {
    let v1::TrustBundle { trust_domain, document } = bundle;
    // JSON is UTF-8 (RFC 8259 section 8.1).
    let document = String::from_utf8(document)
        .inspect_err(|_unshown| tracing::warn!(trust_domain, "a trust bundle is not text"));
    Some(ToldBundle { document: document.ok()?, trust_domain })
}
