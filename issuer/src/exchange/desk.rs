//! Where proofs are exchanged: verified, once more with newer keys if that may help, and answered or not.

use std::sync::Arc;

use moneyer_authority::Authority;
use moneyer_authority::exchange::{
    ClientIdentifier, ExchangeError, ExchangeRequest, ExchangedToken, Proofs, SubjectError,
    VerifiedSubject,
};
use tokio::time::Instant;

use crate::key_sets::KeySetRequests;
use crate::pace::Pace;
use crate::shares::Shares;

/// How often one client and all clients of one issuer may ask.
pub(crate) type ExchangeShares = Shares<ClientIdentifier, String>;

/// Exchanges tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeDesk {
    authority: Authority,
    key_sets: KeySetRequests,
    pace: Arc<Pace>,
    shares: ExchangeShares,
}

impl ExchangeDesk {
    /// A desk of this authority, which asks these for newer keys.
    pub(crate) fn new(
        authority: Authority,
        key_sets: KeySetRequests,
        shares: ExchangeShares,
    ) -> Self {
        Self { authority, key_sets, pace: Arc::default(), shares }
    }

    /// A token for who is proved, if a mapping grants it.
    pub(crate) async fn exchange(
        &self,
        request: ExchangeRequest,
    ) -> Result<ExchangedToken, ExchangeError> {
        let proofs = self.prove(&request).await;
        self.authority.exchange(proofs, request.ask).await
    }

    async fn prove(&self, request: &ExchangeRequest) -> Result<Proofs, ExchangeError> {
        let subject = self.verify(&request.subject_token).await.map_err(ExchangeError::Subject)?;
        let actor = match &request.actor_token {
            Some(token) => Some(self.verify(token).await.map_err(ExchangeError::Actor)?),
            None => None,
        };
        let client = subject.client();
        if !self.shares.take(client, &subject.issuer().to_owned()) {
            return Err(ExchangeError::TooOften(client.clone()));
        }
        Ok(Proofs { subject, actor })
    }

    async fn verify(&self, token: &str) -> Result<VerifiedSubject, SubjectError> {
        let first = self.authority.verify_subject(token);
        let Some(issuer) = first.as_ref().err().and_then(SubjectError::may_be_stale) else {
            return first;
        };
        if !self.key_sets.has(issuer) || !self.pace.take(issuer, Instant::now()) {
            return first;
        }
        self.key_sets.refresh(issuer).await;
        self.authority.verify_subject(token)
    }
}
