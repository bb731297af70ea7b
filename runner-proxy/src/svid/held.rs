//! An X.509-SVID that is held for a sandbox.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::IssueError;
use moneyer_identity::spiffe::{SpiffeId, TrustBundles, VerifiedX509Svid, X509Leaf};

use tokio::time::Instant;

use super::key::SvidKey;
use crate::token::Life;

/// A certificate chain, its key and its life.
#[derive(Debug)]
pub(crate) struct X509Svid {
    pub(crate) id: SpiffeId,
    /// DER, the leaf first.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) key: SvidKey,
    /// Its life on the timeline.
    pub(crate) life: Life,
}

impl X509Svid {
    /// The certificates one after the other, as the Workload API hands them out.
    pub(crate) fn chain(&self) -> Vec<u8> {
        self.certificates.concat()
    }

    /// Whether its own trust domain's bundle has the authority that signed it. The wall clock has no say:
    /// asked is for the moment the certificate begins.
    pub(super) fn has_authority_in(&self, bundles: &TrustBundles) -> bool {
        let leaf = self.certificates.first().and_then(|der| X509Leaf::of_svid(der).ok());
        leaf.is_some_and(|leaf| {
            VerifiedX509Svid::verify(&self.certificates, bundles, leaf.not_before()).is_ok()
        })
    }
}

/// How long a new SVID waits, with nothing in hand before it, for a bundle that has its authority: a host that
/// lost the stream of bundles has another within as long. After that an SVID that others can verify is better than
/// none.
pub(super) const HELD_BACK_AT_MOST: Duration = Duration::from_secs(30);

/// One that is signed and not handed out yet: the bundle that it would come with lacks its authority.
#[derive(Debug)]
pub(super) struct HeldBack {
    pub(super) svid: Arc<X509Svid>,
    /// Since when there has been one.
    pub(super) since: Instant,
}

impl HeldBack {
    /// When it is handed out in any case, with one in hand that ends then.
    pub(super) fn until(&self, end_of_held: Option<Instant>) -> Instant {
        let patience = self.since + HELD_BACK_AT_MOST;
        end_of_held.map_or(patience, |end| patience.max(end))
    }
}

/// What there is for a sandbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stock {
    pub(crate) held: Option<Arc<X509Svid>>,
    /// What the last attempt failed with, if it did.
    pub(crate) failure: Option<IssueError>,
    /// How many attempts there were. Whoever asked before the last of them has its answer.
    pub(crate) attempts: u64,
}
