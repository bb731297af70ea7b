//! What is stored of a federation: what an operator said and when a bundle was fetched last, and that bundle.
//!
//! A bundle may be longer than a record, so its document is kept in pieces, which change together with the
//! federation's record. A piece is a text in JSON, where a character of the document may take two bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use serde::{Deserialize, Serialize};

use super::endpoint::Federation;
use crate::store::{Collection, Record};

/// Bytes of a document in one piece: twice as many and the names beside them fit a record.
pub(super) const PIECE_BYTES: usize = 30 * 1024;

/// A federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FederationRecord {
    /// What an operator said.
    pub(super) federation: Federation,
    /// What was fetched last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fetched: Option<FetchedRecord>,
}

/// When a bundle was fetched, and from whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FetchedRecord {
    /// When it was seen last.
    pub(super) at: UnixTime,
    /// Whether by a server that is known in the way that is said now. If not, the next one is known by the
    /// bundle to begin with.
    pub(super) proves_server: bool,
}

impl Record for FederationRecord {
    const COLLECTION: Collection = Collection::Federations;

    fn id(&self) -> String {
        self.federation.trust_domain.as_str().to_owned()
    }
}

/// A piece of the document of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceRecord {
    /// Whose bundle.
    pub(super) trust_domain: TrustDomain,
    /// Which piece, from 0.
    pub(super) index: usize,
    /// The piece.
    pub(super) text: String,
}

impl Record for PieceRecord {
    const COLLECTION: Collection = Collection::FederatedBundles;

    /// A trust domain may be as long as an id, so its digest stands for it.
    fn id(&self) -> String {
        let name = self.trust_domain.as_str().as_bytes();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name);
        format!("{}/{:03}", URL_SAFE_NO_PAD.encode(digest), self.index)
    }
}

/// The document of a bundle in pieces.
pub(super) fn pieces(bundle: &TrustBundle) -> Vec<PieceRecord> {
    // Documents are ASCII, as their names, numbers, base64 and visible kids are; should one not be, it stays
    // whole characters.
    let document = bundle.to_document();
    let mut rest = document.as_str();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let mut end = rest.len().min(PIECE_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (text, after) = rest.split_at(end);
        let (trust_domain, index) = (bundle.trust_domain().clone(), pieces.len());
        pieces.push(PieceRecord { trust_domain, index, text: text.to_owned() });
        rest = after;
    }
    pieces
}
