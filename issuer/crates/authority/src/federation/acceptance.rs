//! Whether what came takes the place of what there is (bundle standard, section 4.1.1; Federation, section 4.1).
//!
//! Sequence numbers order documents: one with a lower number, or with none after one with a number, is an
//! older document that somebody plays back, and is refused. The same number over other content is a fault of
//! the server, which is authenticated: a peer that forgets to count is believed, and the fault is told, since
//! to refuse its new keys would be an outage at their first use.

use moneyer_identity::spiffe::TrustBundle;

/// Why a document that could be read is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its number is lower than the one of the bundle that is kept.
    #[error(
        "the bundle has the sequence number {got} and an earlier one had {had}; it is an older document. If its \
         trust domain has begun to count anew, remove the federation and put it again"
    )]
    Regressed {
        /// The number of the one that is kept.
        had: u64,
        /// The number that came.
        got: u64,
    },
    /// It has no number, and the bundle that is kept has one.
    #[error(
        "the bundle has no sequence number and an earlier one had {had}; it may be an older document. If its \
         trust domain has stopped counting, remove the federation and put it again"
    )]
    Unnumbered {
        /// The number of the one that is kept.
        had: u64,
    },
    /// As it is kept it would be longer than a bundle may be.
    #[error("the bundle is too long to be kept")]
    TooLong,
    /// All federated bundles together would be more than is sent to runners.
    #[error(
        "the bundle takes {bytes} bytes and the bundles of all federations together may take {limit}; remove a \
         federation that is not needed"
    )]
    NoRoom {
        /// What it would take.
        bytes: usize,
        /// What all may take.
        limit: usize,
    },
}

/// What is odd about a bundle that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The content is another and the number is not.
    #[error("its content changed under the same sequence number {0}")]
    SameSequence(u64),
    /// There is nothing in it that an SVID could be verified with.
    #[error("it is empty: every SVID of the trust domain is refused")]
    Empty,
}

/// Whether what came is other content than what is kept, if it may take its place at all.
pub(super) fn judge(kept: Option<&TrustBundle>, came: &TrustBundle) -> Result<bool, Refused> {
    let Some(kept) = kept else { return Ok(true) };
    match (kept.sequence(), came.sequence()) {
        (Some(had), Some(got)) if got < had => return Err(Refused::Regressed { had, got }),
        (Some(had), None) => return Err(Refused::Unnumbered { had }),
        _ => {}
    }
    Ok(kept != came)
}

/// What is odd about what came, seen beside what is kept.
pub(super) fn notice(kept: Option<&TrustBundle>, came: &TrustBundle) -> Option<Notice> {
    if came.x509_authorities().is_empty() && came.jwt_authorities().is_empty() {
        return Some(Notice::Empty);
    }
    let kept = kept?;
    let number = came.sequence()?;
    let is_other = kept.content_digest() != came.content_digest();
    (kept.sequence() == Some(number) && is_other).then_some(Notice::SameSequence(number))
}
