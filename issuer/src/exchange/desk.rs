//! Where proofs are exchanged: verified, and answered or not.

use moneyer_authority::Authority;
use moneyer_authority::exchange::{
    ClientIdentifier, ExchangeError, ExchangeRequest, ExchangedToken, Proofs, Purpose,
};

use super::subjects::Subjects;
use crate::shares::Shares;

/// How often one client and all clients of one issuer may ask.
pub(crate) type ExchangeShares = Shares<ClientIdentifier, String>;

/// Exchanges tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeDesk {
    authority: Authority,
    subjects: Subjects,
    shares: ExchangeShares,
}

impl ExchangeDesk {
    /// A desk of this authority, to which these tell who somebody is.
    pub(crate) fn new(authority: Authority, subjects: Subjects, shares: ExchangeShares) -> Self {
        Self { authority, subjects, shares }
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
        let verify = |token| self.subjects.verify(token, Purpose::Exchange);
        let acting = async {
            match request.actor_token.as_deref() {
                Some(token) => verify(token).await.map(Some),
                None => Ok(None),
            }
        };
        // Beside each other: whoever shows two is told no later that a server is away.
        let (subject, actor) = tokio::join!(verify(&request.subject_token), acting);
        let subject = subject.map_err(ExchangeError::Subject)?;
        let actor = actor.map_err(ExchangeError::Actor)?;
        let client = subject.client();
        if !self.shares.take(client, &subject.issuer().to_owned()) {
            return Err(ExchangeError::TooOften(client.clone()));
        }
        Ok(Proofs { subject, actor })
    }
}
