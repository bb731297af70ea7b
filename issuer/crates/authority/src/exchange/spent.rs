//! Proofs that are spent: kept until they end, so that none is exchanged twice, whichever coordinator is asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::UnixTime;
use serde::{Deserialize, Serialize};

use super::refusal::ExchangeError;
use super::subject::VerifiedSubject;
use crate::audit::{Ledger, LedgerError};
use crate::mint::MintError;
use crate::store::{Change, Collection, Expected, Record, StoreError, load_records};

/// So many are forgotten by one commit.
const FORGOTTEN_AT_ONCE: usize = 500;

/// A proof that was exchanged. Its digest names it, and is of no use to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SpentProof {
    digest: String,
    expires_at: UnixTime,
}

impl Record for SpentProof {
    const COLLECTION: Collection = Collection::SpentProofs;

    fn id(&self) -> String {
        self.digest.clone()
    }
}

/// Spends proofs.
#[derive(Debug)]
pub struct SpentProofs(Ledger);

impl SpentProofs {
    /// Kept here.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self(ledger)
    }

    /// Spends a proof, durably, unless it is spent.
    pub(crate) async fn spend(&self, subject: &VerifiedSubject) -> Result<(), ExchangeError> {
        let digest = URL_SAFE_NO_PAD.encode(subject.digest());
        let proof = SpentProof { digest, expires_at: subject.expires_at() };
        let change = Change::put(&proof, Expected::Absent).map_err(ExchangeError::Spending)?;
        match self.0.commit_unrecorded(vec![change]).await {
            Ok(_) => Ok(()),
            Err(LedgerError::Store(StoreError::Conflict { .. })) => Err(ExchangeError::Spent),
            Err(LedgerError::Store(error)) => Err(ExchangeError::Spending(error)),
            Err(LedgerError::Audit(error)) => Err(ExchangeError::Mint(MintError::Audit(error))),
        }
    }

    /// Forgets those that have ended, by a time that has certainly come; a few at a time, so that however many there
    /// are each commit is short, and what was forgotten stays so where the rest fails.
    pub(crate) async fn forget(&self, proven: UnixTime) -> Result<(), StoreError> {
        let records = load_records::<SpentProof>(self.0.store()).await?;
        let over = records.into_iter().filter(|(proof, _)| proof.expires_at < proven);
        let removal =
            |(proof, at): (SpentProof, _)| Change::remove(Collection::SpentProofs, &proof.id(), at);
        let changes: Vec<_> = over.map(removal).collect();
        for few in changes.chunks(FORGOTTEN_AT_ONCE) {
            match self.0.commit_unrecorded(few.to_vec()).await {
                // Another coordinator forgets them too; what it leaves is forgotten the next time.
                Ok(_) | Err(LedgerError::Store(StoreError::Conflict { .. })) => {}
                Err(LedgerError::Audit(_)) => return Ok(()),
                Err(LedgerError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
