//! A stream that tells the whole state at once and again at every change (Workload API, section 4.3).
//!
//! It lasts until the client goes, the sandbox leaves or has no identity any more, or the proxy goes down;
//! only a first message that cannot be had ends it for what is missing. After that it stays open whatever
//! the coordinator does: what the client holds is better than nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tonic::Status;

use super::status::Refusal;
use crate::coordinator::{Bundles, SvidFacts};
use crate::metrics::OpenStream;
use crate::sandbox::{Ending, Stay};
use crate::svid::{Stock, Subject, SvidKeeper};

/// How long the first message is waited for: as long as a call to the coordinator may take.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(5);

/// What a look at the present state gives.
pub(super) enum Look<M> {
    /// The state, unless it is what was told last.
    Told(M),
    /// It is what was told last.
    Same,
    /// It cannot be told yet, for this reason.
    NotYet(Refusal),
    /// It cannot be told, and waiting will not help.
    Never(Refusal),
}

/// Says what there is to be told, and remembers what it told last.
pub(super) trait Teller: Send + 'static {
    /// What is told.
    type Message: Send + 'static;

    /// Looks at the state.
    fn look(&mut self, sources: &Sources) -> Look<Self::Message>;
}

/// What streams are made of, and what tells them of changes.
pub(super) struct Sources {
    pub(super) stay: Stay,
    pub(super) keeper: Arc<SvidKeeper>,
    pub(super) bundles: watch::Receiver<Option<Arc<Bundles>>>,
    pub(super) placement: watch::Receiver<SvidFacts>,
    /// Only where an SVID is wanted: to hold it is to have it renewed.
    pub(super) stock: Option<watch::Receiver<Stock>>,
    /// Given back when the stream ends.
    pub(super) _place: (OwnedSemaphorePermit, OpenStream),
}

impl Sources {
    /// Why nothing is told at all, if so.
    fn refusal(&self) -> Option<Refusal> {
        match self.stay.ending() {
            Some(Ending::Left) => return Some(Refusal::Left),
            Some(Ending::Closing) => return Some(Refusal::Closing),
            None => {}
        }
        (self.keeper.subject().now() == Subject::Nobody).then_some(Refusal::NoIdentity)
    }

    async fn changed(&mut self) {
        let stock = async {
            match &mut self.stock {
                Some(stock) => stock.changed().await,
                None => std::future::pending().await,
            }
        };
        // Whoever tells of changes lives as long as the proxy, so none of these ends early.
        tokio::select! {
            () = self.stay.end().cancelled() => {}
            Ok(()) = stock => {}
            Ok(()) = self.bundles.changed() => {}
            Ok(()) = self.placement.changed() => {}
        }
    }
}

struct Following<T> {
    teller: T,
    sources: Sources,
}

impl<T: Teller> Following<T> {
    async fn first(&mut self) -> Result<T::Message, Refusal> {
        let give_up = Instant::now() + FIRST_MESSAGE_WITHIN;
        loop {
            if let Some(refusal) = self.sources.refusal() {
                return Err(refusal);
            }
            let missing = match self.teller.look(&self.sources) {
                Look::Told(message) => return Ok(message),
                Look::Never(refusal) => return Err(refusal),
                Look::NotYet(missing) => missing,
                Look::Same => Refusal::Late,
            };
            if tokio::time::timeout_at(give_up, self.sources.changed()).await.is_err() {
                return Err(missing);
            }
        }
    }

    async fn next(&mut self) -> Result<T::Message, Refusal> {
        loop {
            self.sources.changed().await;
            if let Some(refusal) = self.sources.refusal() {
                return Err(refusal);
            }
            match self.teller.look(&self.sources) {
                Look::Told(message) => return Ok(message),
                // The entitlement is gone (section 4.4).
                Look::Never(refusal) if refusal.withdraws() => return Err(refusal),
                Look::Never(_) | Look::NotYet(_) | Look::Same => {}
            }
        }
    }
}

/// The stream, once there is a first message.
pub(super) async fn follow<T: Teller>(
    teller: T,
    sources: Sources,
) -> Result<BoxStream<'static, Result<T::Message, Status>>, Refusal> {
    let mut following = Following { teller, sources };
    let first = following.first().await?;
    let later = stream::unfold(Some(following), |following| async move {
        let mut following = following?;
        match following.next().await {
            Ok(message) => Some((Ok(message), Some(following))),
            Err(refusal) => Some((Err(refusal.into_status()), None)),
        }
    });
    Ok(stream::once(async move { Ok(first) }).chain(later).boxed())
}
