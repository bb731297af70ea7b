//! The stream of a runner's sandboxes.
//!
//! It ends when the runner is removed, when the certificate it was opened with ends, and when the
//! coordinator goes down; a runner then opens another.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use moneyer_authority::enrollment::{AuthenticatedRunner, PeerLeaf};
use moneyer_authority::registry::{App, Placed, PlacementChange, SandboxSubscription};
use moneyer_authority::store::Testimony;
use moneyer_authority::{Authority, Reissue};
use moneyer_identity::IssuerUrl;
use moneyer_proto::v1;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::grpc::{convert, status};

type Message = Result<v1::WatchSandboxesResponse, Status>;

/// What `WatchSandboxes` answers.
pub(super) struct SandboxStream(Pin<Box<dyn Stream<Item = Message> + Send>>);

struct Watch {
    authority: Authority,
    subscription: SandboxSubscription,
    leaf: PeerLeaf,
    certificate_end: Instant,
    going_down: CancellationToken,
    reissue: ReissueNews,
    profiles: watch::Receiver<u64>,
}

impl SandboxStream {
    pub(super) fn open(
        authority: &Authority,
        runner: &AuthenticatedRunner,
        leaf: PeerLeaf,
        receipt: Option<v1::Receipt>,
        going_down: CancellationToken,
    ) -> Result<Self, Status> {
        if let Some(receipt) = receipt {
            hear(authority, runner, receipt);
        }
        let subscription =
            authority.registry().watch(runner).map_err(|_revoked| status::revoked())?;
        let left: Duration = runner.certificate_ends_at().since(authority.now());
        let watch = Watch {
            authority: authority.clone(),
            subscription,
            leaf,
            certificate_end: Instant::now() + left,
            going_down,
            reissue: ReissueNews::of(authority),
            profiles: authority.profiles().changes(),
        };
        let changes = stream::unfold(Some(watch), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(message) => Some((Ok(message), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Self(changes.boxed()))
    }
}

impl Watch {
    async fn next(&mut self) -> Result<v1::WatchSandboxesResponse, Status> {
        let change = tokio::select! {
            change = self.subscription.next() => Some(change.map_err(|_revoked| status::revoked())?),
            // What token files a sandbox has follows from the profiles.
            Ok(()) = self.profiles.changed() => {
                Some(self.subscription.everything().map_err(|_revoked| status::revoked())?)
            }
            () = self.reissue.arrives(&self.authority) => None,
            () = self.going_down.cancelled() => return Err(status::going_down()),
            () = tokio::time::sleep_until(self.certificate_end) => return Err(status::revoked()),
        };
        // The runner may have renewed twice or joined anew since: this connection is then not its own.
        self.authority.authenticate(&self.leaf).map_err(status::authenticate)?;
        let (generation, change) = match change {
            Some(change) => self.told(change)?,
            None => (0, None),
        };
        let (issuer, reissue) = self.reissue.told();
        let receipt = Some(convert::receipt(self.authority.store().receipt()));
        Ok(v1::WatchSandboxesResponse { generation, reissue, issuer, receipt, change })
    }

    fn told(
        &self,
        change: PlacementChange,
    ) -> Result<(u64, Option<v1::watch_sandboxes_response::Change>), Status> {
        use v1::watch_sandboxes_response::Change;
        let policy = &*self.authority.profiles().policy();
        let spiffe_ids = self.authority.spiffe_ids();
        let convert =
            |placed: &Placed, app: &App| convert::placed((placed, app), policy, spiffe_ids);
        let (generation, change) = match change {
            PlacementChange::All(all, generation) => {
                let sandboxes = all.iter().map(|(placed, app)| convert(placed, app)).collect();
                (generation, Change::All(v1::PlacedSandboxes { sandboxes }))
            }
            PlacementChange::Placed(placed, app, generation) => {
                (generation, Change::Placed(convert(&placed, &app)))
            }
            PlacementChange::Removed(id, generation) => {
                (generation, Change::Removed(id.as_str().to_owned()))
            }
            PlacementChange::Revoked => return Err(status::revoked()),
        };
        Ok((generation.0, Some(change)))
    }
}

/// Takes a runner's word on what the store had come to, as far as the store can tell that it is its own.
fn hear(authority: &Authority, runner: &AuthenticatedRunner, receipt: v1::Receipt) {
    let seen = receipt.generation;
    let there = authority.store().generation().0;
    match authority.ledger().hear(&convert::kept_receipt(receipt)) {
        Testimony::RolledBack(_) => tracing::error!(
            runner.id = runner.id().as_str(),
            store.generation = there,
            runner.generation = seen,
            "the store was put back to an older state; nothing is minted or changed until the newest \
             backup is restored or the loss accepted"
        ),
        Testimony::Forged => tracing::warn!(
            runner.id = runner.id().as_str(),
            "a runner showed a receipt that this store did not make"
        ),
        Testimony::Known | Testimony::OtherLife => {}
    }
}

/// Word of moves and withdrawals: whoever holds tokens gets new ones.
struct ReissueNews {
    keys: watch::Receiver<u64>,
    issuers: watch::Receiver<u64>,
    told: Reissue,
    issuer: IssuerUrl,
}

impl ReissueNews {
    fn of(authority: &Authority) -> Self {
        Self {
            keys: authority.keys().changes(),
            issuers: authority.issuers().changes(),
            told: authority.reissue(),
            issuer: authority.issuer(),
        }
    }

    /// Returns when there is something new.
    async fn arrives(&mut self, authority: &Authority) {
        loop {
            let changed = tokio::select! {
                changed = self.keys.changed() => changed,
                changed = self.issuers.changed() => changed,
            };
            if changed.is_err() {
                return std::future::pending().await;
            }
            if authority.reissue() != self.told {
                self.told = authority.reissue();
                self.issuer = authority.issuer();
                return;
            }
        }
    }

    /// The issuer and the number, as a runner is told them.
    fn told(&self) -> (String, String) {
        let Reissue { issuer_since, withdrawals } = self.told;
        (self.issuer.as_str().to_owned(), format!("{issuer_since}.{withdrawals}"))
    }
}

impl Stream for SandboxStream {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.as_mut().poll_next(context)
    }
}
