//! The stream of the trust bundles that a runner hands on.
//!
//! Every message is the complete state; a trust domain that is not in it is trusted no more.

use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticatedRunner, PeerLeaf};
use moneyer_authority::registry::SandboxSubscription;
use moneyer_identity::spiffe::TrustBundle;
use moneyer_proto::v1;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::grpc::standing::{Messages, Standing, Tells, stream};
use crate::grpc::status;

/// What `WatchTrustBundles` answers.
pub(super) type BundleStream = Messages<v1::WatchTrustBundlesResponse>;

struct Watch {
    authority: Authority,
    standing: Standing,
    /// For the removal of the runner alone.
    subscription: SandboxSubscription,
    own: watch::Receiver<u64>,
    federated: watch::Receiver<u64>,
}

/// Opens the stream.
pub(super) fn open(
    authority: &Authority,
    runner: &AuthenticatedRunner,
    leaf: PeerLeaf,
    going_down: CancellationToken,
) -> Result<BundleStream, Status> {
    let subscription = authority.registry().watch(runner).map_err(|_revoked| status::revoked())?;
    let standing = Standing::of(authority, runner, leaf, going_down);
    let mut own = authority.bundle().changes();
    // The first message is what there is.
    own.mark_changed();
    let federated = authority.federations().changes();
    Ok(stream(Watch { authority: authority.clone(), standing, subscription, own, federated }))
}

impl Tells for Watch {
    type Message = v1::WatchTrustBundlesResponse;

    async fn next(&mut self) -> Result<Self::Message, Status> {
        tokio::select! {
            changed = self.own.changed() => changed.map_err(|_gone| status::going_down())?,
            changed = self.federated.changed() => changed.map_err(|_gone| status::going_down())?,
            () = self.subscription.revoked() => return Err(status::revoked()),
            over = self.standing.is_over() => return Err(over),
        }
        self.standing.check()?;
        let own = Some(told(&self.authority.bundle().now()));
        let federated = self.authority.federations().in_force(self.authority.now());
        let federated = federated.iter().map(told).collect();
        Ok(v1::WatchTrustBundlesResponse { own, federated })
    }
}

fn told(bundle: &TrustBundle) -> v1::TrustBundle {
    v1::TrustBundle {
        trust_domain: bundle.trust_domain().as_str().to_owned(),
        document: bundle.to_document().into_bytes(),
    }
}
