//! What every stream of a runner has in common: when it ends.
//!
//! It ends when the runner is removed, when the certificate it was opened with ends, and when the
//! coordinator goes down; a runner then opens another.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticatedRunner, PeerLeaf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::grpc::status;

/// Whether a runner is still the one that opened a stream.
pub(super) struct Standing {
    authority: Authority,
    leaf: PeerLeaf,
    certificate_end: Instant,
    going_down: CancellationToken,
}

impl Standing {
    pub(super) fn of(
        authority: &Authority,
        runner: &AuthenticatedRunner,
        leaf: PeerLeaf,
        going_down: CancellationToken,
    ) -> Self {
        let left: Duration = runner.certificate_ends_at().since(authority.now());
        let certificate_end = Instant::now() + left;
        Self { authority: authority.clone(), leaf, certificate_end, going_down }
    }

    /// Returns when the time of the stream is over, with what its runner is told.
    pub(super) async fn is_over(&self) -> Status {
        tokio::select! {
            () = self.going_down.cancelled() => status::going_down(),
            () = tokio::time::sleep_until(self.certificate_end) => status::revoked(),
        }
    }

    /// Before anything is told: the runner may have renewed twice or joined anew since, and this connection
    /// is then not its own.
    pub(super) fn check(&self) -> Result<(), Status> {
        self.authority.authenticate(&self.leaf).map_err(|error| status::authenticate(&error))?;
        Ok(())
    }
}

/// Something that tells one message after the other, until it is refused one.
pub(super) trait Tells: Send + 'static {
    /// What it tells.
    type Message: Send;

    /// The next message, or how it ends.
    fn next(&mut self) -> impl Future<Output = Result<Self::Message, Status>> + Send;
}

/// The messages as they are sent. The last one may be a refusal.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// All that it tells.
pub(super) fn stream<T: Tells>(tells: T) -> Messages<T::Message> {
    let messages = stream::unfold(Some(tells), |tells| async move {
        let mut tells = tells?;
        match tells.next().await {
            Ok(message) => Some((Ok(message), Some(tells))),
            Err(status) => Some((Err(status), None)),
        }
    });
    messages.boxed()
}
