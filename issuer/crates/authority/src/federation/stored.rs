//! Reading the records of federations, and what is written in their place.
//!
//! What is written names the revisions of what was read: a bundle takes the place of the one it was judged by, and
//! never of one that another coordinator has stored meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};

use super::acceptance::notice;
use super::error::FederationsError;
use super::known::{Fetched, Known};
use super::record::{FederationRecord, FetchedRecord, PieceRecord, pieces};
use crate::audit::Ledger;
use crate::store::{Change, Collection, Expected, Generation, Record as _, load_records};

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

/// What is known of a federation by its records. A bundle that was written by another version and is refused by this
/// one is fetched anew.
pub(super) fn known(record: FederationRecord, document: &str) -> Known {
    let trust_domain = record.federation.trust_domain.clone();
    let bundle = TrustBundle::parse(trust_domain, document.as_bytes()).ok();
    let fetched = record.fetched.zip(bundle).map(|(fetched, bundle)| Fetched {
        notice: notice(None, &bundle),
        bundle: Arc::new(bundle),
        at: fetched.at,
        proves_server: fetched.proves_server,
    });
    Known::new(record.federation, fetched)
}

/// The records of one federation as they were read.
#[derive(Debug)]
pub(super) struct Held {
    record: FederationRecord,
    revision: Generation,
    pieces: Vec<(PieceRecord, Generation)>,
}

impl Held {
    /// Reads them, if they are there.
    pub(super) async fn load(
        ledger: &Ledger,
        trust_domain: &TrustDomain,
    ) -> Result<Option<Self>, FederationsError> {
        // The federation's own record first: where another coordinator changes both in between, what is written names
        // its older revision and is refused.
        let mut records = load(ledger).await?;
        let Some(at) = position(&records, trust_domain) else { return Ok(None) };
        let (record, revision) = records.swap_remove(at);
        let mut pieces = load_pieces(ledger).await?;
        pieces.retain(|(piece, _)| piece.trust_domain == *trust_domain);
        Ok(Some(Self { record, revision, pieces }))
    }

    /// What they say.
    pub(super) fn known(&self) -> Known {
        let document = documents(self.pieces.clone()).into_values().next().unwrap_or_default();
        known(self.record.clone(), &document)
    }

    /// That this bundle was seen now, and if it is another one, the bundle.
    pub(super) fn seen(
        self,
        came: &TrustBundle,
        is_news: bool,
        now: UnixTime,
    ) -> Result<Vec<Change>, FederationsError> {
        let fetched = Some(FetchedRecord { at: now, proves_server: true });
        let record = FederationRecord { fetched, ..self.record };
        let put = Change::put(&record, Expected::Revision(self.revision));
        let mut changes = vec![put.map_err(FederationsError::Store)?];
        if !is_news {
            return Ok(changes);
        }
        let there = self.pieces.into_iter().map(|(piece, at)| (piece.index, (piece, at)));
        let there: BTreeMap<_, _> = there.collect();
        let pieces = pieces(came);
        for piece in &pieces {
            let before = there.get(&piece.index);
            let expected = before.map_or(Expected::Absent, |(_, at)| Expected::Revision(*at));
            changes.push(Change::put(piece, expected).map_err(FederationsError::Store)?);
        }
        let surplus = there.range(pieces.len()..).map(|(_, (piece, at))| removal(piece, *at));
        changes.extend(surplus);
        Ok(changes)
    }
}
