//! One attempt: from whatever is kept to a certificate, or to the reason why there is none.
//!
//! Account and order are kept as soon as the server has them. An order that was interrupted is taken up
//! where it is: a challenge is told once that its answer stands, and answered for as long as it is open.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use moneyer_authority::public_certificate::{
    IssuedCertificate, PendingOrder, certificate_request, challenge_certificate, new_key,
};
use moneyer_authority::signer::KeyHandle;
use moneyer_daemon::tls::TlsIdentity;

use super::error::AcmeError;
use super::from_acme::FromAcme;

/// Longest time of an attempt: twice what its two waits may take.
pub(super) const LONGEST: Duration = Duration::from_secs(240);

/// How the server is asked whether it has finished: after a quarter of a second, then ever more rarely, for up to
/// a minute. Servers look from several places and need some seconds. By twice as rarely each time, the last question would
/// come after half of it.
const PATIENCE: RetryPolicy = RetryPolicy::new().backoff(1.25).timeout(Duration::from_secs(60));

impl FromAcme {
    /// Gets a certificate. The answer to a challenge may still be served when this returns.
    pub(super) async fn obtain(&mut self) -> Result<IssuedCertificate, AcmeError> {
        let account = self.account().await?;
        let (mut order, pending) = self.order(&account).await?;
        if order.state().status == OrderStatus::Pending {
            self.answer(&mut order).await?;
            match order.poll_ready(&PATIENCE).await {
                Ok(OrderStatus::Ready) => {}
                Ok(_) | Err(instant_acme::Error::Api(_)) => {
                    return Err(reason(&account, pending.url).await);
                }
                Err(error) => return Err(AcmeError::Waiting(error)),
            }
        }
        if order.state().status == OrderStatus::Ready {
            let request =
                certificate_request(&pending.host, &pending.key).map_err(AcmeError::Make)?;
            order.finalize_csr(&request).await.map_err(AcmeError::Issue)?;
        }
        let chain = order.poll_certificate(&PATIENCE).await.map_err(AcmeError::Issue)?;
        let directory = self.record.directory.clone();
        Ok(IssuedCertificate { directory, chain, key: pending.key })
    }

    /// The account that is kept, or a new one.
    async fn account(&mut self) -> Result<Account, AcmeError> {
        let builder = Account::builder_with_http(Box::new(self.transport.clone()));
        if let Some(kept) = &self.record.account {
            let credentials =
                serde_json::from_slice(kept.expose()).map_err(AcmeError::StoredAccount)?;
            return builder.from_credentials(credentials).await.map_err(AcmeError::Account);
        }
        let contacts: Vec<_> = self.contacts.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder.create(&wanted, self.record.directory.clone(), None).await;
        let (account, credentials) = made.map_err(AcmeError::Account)?;
        let bytes = serde_json::to_vec(&credentials).map_err(AcmeError::StoredAccount)?;
        self.record.account = Some(KeyHandle::new(bytes));
        self.keep().await.map_err(AcmeError::Store)?;
        Ok(account)
    }

    /// The order that is kept, or a new one.
    async fn order(&mut self, account: &Account) -> Result<(Order, PendingOrder), AcmeError> {
        if let Some(pending) = self.record.order.clone() {
            let mut order = account.order(pending.url.clone()).await.map_err(AcmeError::Order)?;
            if order.state().status == OrderStatus::Invalid {
                return Err(reason(account, pending.url).await);
            }
            return Ok((order, pending));
        }
        let identifiers = [Identifier::Dns(self.host.clone())];
        let order = account.new_order(&NewOrder::new(&identifiers)).await;
        let order = order.map_err(AcmeError::Order)?;
        let key = new_key().map_err(AcmeError::Make)?;
        let pending = PendingOrder { url: order.url().to_owned(), host: self.host.clone(), key };
        self.record.order = Some(pending.clone());
        self.keep().await.map_err(AcmeError::Store)?;
        Ok((order, pending))
    }

    /// Serves the answer to the order's challenge, and says so.
    async fn answer(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(AcmeError::Begin)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
            let mut challenge = challenge.ok_or(AcmeError::NoChallenge)?;
            let digest = challenge.key_authorization().digest();
            let made =
                challenge_certificate(&self.host, digest.as_ref()).map_err(AcmeError::Make)?;
            let key = made.key.expose().to_vec().into();
            let identity = TlsIdentity::new(vec![made.certificate.into()], key);
            let answering = self.serving.with_challenge(&identity).map_err(AcmeError::Answer)?;
            self.tls.replace(&answering);
            if challenge.status == ChallengeStatus::Pending {
                challenge.set_ready().await.map_err(AcmeError::Begin)?;
            }
        }
        Ok(())
    }
}

/// Why an order has failed: what the server says of its challenges.
async fn reason(account: &Account, url: String) -> AcmeError {
    let mut order = match account.order(url).await {
        Ok(order) => order,
        Err(error) => return AcmeError::Order(error),
    };
    let of_order = order.state().error.clone();
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let mut errors = authorization.challenges.iter().filter_map(|one| one.error.clone());
        if let Some(problem) = errors.next() {
            return AcmeError::Refused(problem);
        }
    }
    of_order.map_or(AcmeError::Ended, |problem| AcmeError::Issue(problem.into()))
}
