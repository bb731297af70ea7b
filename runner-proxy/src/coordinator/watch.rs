//! Following what the coordinator says, for ever.
//!
//! Each session learns the issuer and the authorities, then follows the stream of this runner's
//! sandboxes: first all of them, then each change. Whatever ends a session, another is begun, after
//! a wait with full jitter so that the runners of a cluster do not come back all at once. The stream
//! is also how the connection's state is known: it is up while a session can be begun. With another
//! certificate a session is begun on the connection that shows it, and only then is the old one left.

use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::backoff::{Backoff, jitter};
use moneyer_identity::{IssueError, IssuerUrl};
use moneyer_proto::v1;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::client::{again_if_cut_off, with_limit, within_limit};
use super::convert;
use super::link::Link;
use super::membership::Member;
use super::placement::{KnownPlacement, PlacementChange};

/// Waits between attempts. Half a minute at most: a host is without news of its sandboxes as long.
pub(super) const WAIT_FIRST: Duration = Duration::from_millis(500);
pub(super) const WAIT_LONGEST: Duration = Duration::from_secs(30);

/// A session that lasted this long was a good one: the next begins almost at once, as after the
/// coordinator closed a connection for its age.
pub(super) const GOOD_SESSION: Duration = Duration::from_secs(10);
pub(super) const WAIT_AFTER_GOOD_SESSION: Duration = Duration::from_secs(1);

/// Follows the coordinator.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) link: Arc<Link>,
    pub(crate) member: Arc<Member>,
    pub(crate) placement: Arc<KnownPlacement>,
    /// Each change, after the placement took it in.
    pub(crate) changes: mpsc::Sender<PlacementChange>,
}

impl Watch {
    /// Follows until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(WAIT_FIRST, WAIT_LONGEST);
        let mut away_since: Option<Instant> = None;
        let mut replaced = self.link.replaced();
        while !stop.is_cancelled() {
            let session = tokio::select! {
                () = stop.cancelled() => return,
                session = self.begin() => session,
            };
            let wait = match session {
                Ok(stream) => {
                    if let Some(since) = away_since.take() {
                        let seconds = since.elapsed().as_secs();
                        tracing::info!(outage.seconds = seconds, "the coordinator is back");
                    }
                    self.link.set_connected(true);
                    let begun = Instant::now();
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.receive(stream) => {}
                    }
                    // What was replaced during the session is no reason to hurry after it.
                    replaced.mark_unchanged();
                    if begun.elapsed() >= GOOD_SESSION {
                        backoff.reset();
                        jitter(WAIT_AFTER_GOOD_SESSION)
                    } else {
                        backoff.after_failure()
                    }
                }
                Err(error) => {
                    self.link.set_connected(false);
                    if away_since.is_none() {
                        away_since = Some(Instant::now());
                        tracing::warn!(
                            error.class = error.class.as_str(), %error,
                            "no connection to the coordinator; serving from the cache and trying on"
                        );
                    }
                    backoff.after_failure()
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                // With another certificate, as after another join, nothing is known against it.
                Ok(()) = replaced.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn begin(&self) -> Result<Streaming<v1::WatchSandboxesResponse>, IssueError> {
        // The connection may just be closing: the session before ended with it.
        let issuer = within_limit(again_if_cut_off(|| {
            let mut minting = self.link.minting();
            async move { minting.get_issuer(with_limit(v1::GetIssuerRequest {})).await }
        }));
        let issuer = issuer.await?;
        self.placement.set_issuer(convert::issuer(&issuer)?);
        let trust = again_if_cut_off(|| {
            let mut enrollment = self.link.enrollment();
            async move { enrollment.get_trust(with_limit(v1::GetTrustRequest {})).await }
        });
        if let Some(trust) = within_limit(trust).await?.trust
            && let Err(error) = self.member.trust(trust.authorities)
        {
            tracing::error!(%error, "the cluster's authorities could not be taken over");
        }
        let (seen_generation, receipt) = {
            let placement = self.placement.now();
            (placement.generation, placement.receipt.clone().map(convert::receipt))
        };
        // Without a limit in the request: it would be the stream's, which is to last.
        let request = v1::WatchSandboxesRequest { seen_generation, receipt };
        let watch = again_if_cut_off(|| {
            let (mut minting, request) = (self.link.minting(), request.clone());
            async move { minting.watch_sandboxes(request).await }
        });
        within_limit(watch).await
    }

    /// Takes in changes until the stream ends or fails. When there is another connection, for another
    /// certificate, it goes on with a stream of that one.
    async fn receive(&self, mut stream: Streaming<v1::WatchSandboxesResponse>) {
        let mut replaced = self.link.replaced();
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                Ok(()) = replaced.changed() => {
                    match self.begin().await {
                        Ok(fresh) => stream = fresh,
                        // The old stream lasts as long as its certificate.
                        Err(error) => tracing::debug!(%error, "no session with the new certificate"),
                    }
                    continue;
                }
            };
            match message {
                Ok(Some(message)) => self.take_in(message).await,
                Ok(None) => return,
                Err(status) => {
                    tracing::debug!(rpc.code = ?status.code(), "the watch ended");
                    return;
                }
            }
        }
    }

    async fn take_in(&self, mut message: v1::WatchSandboxesResponse) {
        if let Some(receipt) = message.receipt.take().map(convert::kept_receipt) {
            self.placement.keep_receipt(receipt);
        }
        let issuer = IssuerUrl::parse(&message.issuer).ok();
        if issuer.is_some_and(|issuer| self.placement.reissue(&message.reissue, &issuer)) {
            tracing::info!("the coordinator wants every token replaced");
            self.changes.send(PlacementChange::Reissue).await.ok();
        }
        let seen = self.placement.now().generation;
        if message.change.is_some() && message.generation < seen {
            tracing::error!(
                coordinator.generation = message.generation,
                runner.generation = seen,
                "the coordinator's store is older than what this runner has seen; was it restored \
                 from a backup?"
            );
        }
        let Some(change) = message.change.and_then(convert::change) else { return };
        self.placement.apply(message.generation, change.clone());
        // Whoever receives ends only when the proxy does.
        self.changes.send(change).await.ok();
    }
}
