//! Reading the records of federations, and undoing them.

use std::collections::BTreeMap;

use moneyer_identity::spiffe::TrustDomain;

use super::error::FederationsError;
use super::record::{FederationRecord, PieceRecord};
use crate::audit::Ledger;
use crate::store::{Change, Collection, Generation, Record as _, load_records};

/// Federations, and the revisions they have in the store.
pub(super) type Records = Vec<(FederationRecord, Generation)>;

pub(super) fn removal(piece: &PieceRecord, revision: Generation) -> Change {
    Change::remove(Collection::FederatedBundles, &piece.id(), revision)
}

pub(super) fn position(records: &Records, trust_domain: &TrustDomain) -> Option<usize> {
    records.iter().position(|(record, _)| record.federation.trust_domain == *trust_domain)
}

pub(super) async fn load(ledger: &Ledger) -> Result<Records, FederationsError> {
    load_records(ledger.store()).await.map_err(FederationsError::Store)
}

pub(super) async fn load_pieces(
    ledger: &Ledger,
) -> Result<Vec<(PieceRecord, Generation)>, FederationsError> {
    load_records(ledger.store()).await.map_err(FederationsError::Store)
}

/// The pieces put together, in the order of their numbers.
pub(super) fn documents(
    mut pieces: Vec<(PieceRecord, Generation)>,
) -> BTreeMap<TrustDomain, String> {
    pieces.sort_by_key(|(piece, _)| piece.index);
    let mut documents = BTreeMap::<_, String>::new();
    for (piece, _) in pieces {
        documents.entry(piece.trust_domain).or_default().push_str(&piece.text);
    }
    documents
}
