//! An X.509-SVID that is held for a sandbox.

use std::sync::Arc;

use moneyer_identity::IssueError;
use moneyer_identity::spiffe::SpiffeId;

use super::key::SvidKey;
use crate::token::Life;

/// A certificate chain, its key and its life.
#[derive(Debug)]
pub(crate) struct X509Svid {
    pub(crate) id: SpiffeId,
    /// DER, one certificate after the other, the leaf first.
    pub(crate) chain: Vec<u8>,
    pub(crate) key: SvidKey,
    /// Its life on the timeline.
    pub(crate) life: Life,
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
