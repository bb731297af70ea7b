//! An X.509-SVID that is held for a sandbox.

use std::sync::Arc;

use moneyer_identity::IssueError;
use moneyer_identity::spiffe::{SpiffeId, TrustBundles, VerifiedX509Svid, X509Leaf};

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

/// What there is for a sandbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stock {
    pub(crate) held: Option<Arc<X509Svid>>,
    /// What the last attempt failed with, if it did.
    pub(crate) failure: Option<IssueError>,
    /// How many attempts there were. Whoever asked before the last of them has its answer.
    pub(crate) attempts: u64,
}
