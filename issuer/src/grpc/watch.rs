//! The stream of a runner's sandboxes.

use moneyer_authority::enrollment::{AuthenticatedRunner, PeerLeaf};
use moneyer_authority::registry::{App, Placed, PlacementChange, SandboxSubscription};
use moneyer_authority::store::Testimony;
use moneyer_authority::{Authority, Reissue};
use moneyer_identity::IssuerUrl;
use moneyer_proto::v1;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::grpc::standing::{Messages, Standing, Tells, stream};
use crate::grpc::{convert, grants, status};

/// What `WatchSandboxes` answers.
pub(super) type SandboxStream = Messages<v1::WatchSandboxesResponse>;

struct Watch {
    authority: Authority,
    standing: Standing,
    subscription: SandboxSubscription,
    reissue: ReissueNews,
    profiles: watch::Receiver<u64>,
    providers: watch::Receiver<u64>,
}

/// Opens the stream.
pub(super) async fn open(
    authority: &Authority,
    runner: &AuthenticatedRunner,
    leaf: PeerLeaf,
    receipt: Option<v1::Receipt>,
    going_down: CancellationToken,
) -> Result<SandboxStream, Status> {
    if let Some(receipt) = receipt {
        hear(authority, runner, receipt).await;
    }
    authority.latest().await;
    let subscription = authority.registry().watch(runner).map_err(|_revoked| status::revoked())?;
    Ok(stream(Watch {
        authority: authority.clone(),
        standing: Standing::of(authority, runner, leaf, going_down),
        subscription,
        reissue: ReissueNews::of(authority),
        profiles: authority.profiles().changes(),
        providers: authority.providers().changes(),
    }))
}

impl Tells for Watch {
    type Message = v1::WatchSandboxesResponse;

    async fn next(&mut self) -> Result<Self::Message, Status> {
        let change = tokio::select! {
            change = self.subscription.next() => Some(change.map_err(|_revoked| status::revoked())?),
            // What token files a sandbox has follows from the profiles.
            Ok(()) = self.profiles.changed() => {
                Some(self.subscription.everything().map_err(|_revoked| status::revoked())?)
            }
            // What it may reach follows from the providers.
            Ok(()) = self.providers.changed() => {
                Some(self.subscription.everything().map_err(|_revoked| status::revoked())?)
            }
            () = self.reissue.arrives(&self.authority) => None,
            over = self.standing.is_over() => return Err(over),
        };
        self.standing.check()?;
        let (generation, change) = match change {
            Some(change) => self.told(change)?,
            None => (0, None),
        };
        let (issuer, reissue) = self.reissue.told();
        let receipt = Some(convert::receipt(self.authority.store().receipt()));
        Ok(v1::WatchSandboxesResponse { generation, reissue, issuer, receipt, change })
    }
}

impl Watch {
    fn told(
        &self,
        change: PlacementChange,
    ) -> Result<(u64, Option<v1::watch_sandboxes_response::Change>), Status> {
        use v1::watch_sandboxes_response::Change;
        let policy = &*self.authority.profiles().policy();
        let spiffe_ids = self.authority.spiffe_ids();
        let providers = self.authority.providers().now();
        let convert = |placed: &Placed, app: &App| {
            let granted = providers.grants_of(app, &placed.sandbox.id);
            convert::placed((placed, app), policy, spiffe_ids, &granted)
        };
        let (generation, change) = match change {
            PlacementChange::All(all, generation) => {
                let mut sandboxes: Vec<_> =
                    all.iter().map(|(placed, app)| convert(placed, app)).collect();
                let grants = grants::share(&mut sandboxes);
                (generation, Change::All(v1::PlacedSandboxes { sandboxes, grants }))
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
async fn hear(authority: &Authority, runner: &AuthenticatedRunner, receipt: v1::Receipt) {
    let seen = receipt.generation;
    let there = authority.store().generation().0;
    match authority.hear(&convert::kept_receipt(receipt)).await {
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
