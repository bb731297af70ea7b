//! Who somebody is, by a token of another issuer: verified here, once more with newer keys if that may help, and
//! reviewed by its API server where that decides.
//!
//! Whoever shows the token of a service account is answered within two seconds, whatever is away.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::exchange::{Examined, Purpose, SourceKind, SubjectError, VerifiedSubject};
use tokio::time::{Instant, timeout_at};

use crate::key_sets::KeySetRequests;
use crate::kubernetes::TokenReviews;
use crate::login::Renewal;
use crate::pace::Pace;

/// Time for everything that an API server is asked for the sake of one token, its keys and its word on it: within two
/// seconds the caller is told that it does not answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Verifies tokens of other issuers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    authority: Authority,
    key_sets: KeySetRequests,
    renewal: Renewal,
    reviews: TokenReviews,
    pace: Arc<Pace>,
}

impl Subjects {
    /// Of the issuers that this authority takes tokens of, which asks these.
    pub(crate) fn new(
        authority: Authority,
        key_sets: KeySetRequests,
        renewal: Renewal,
        reviews: TokenReviews,
    ) -> Self {
        Self { authority, key_sets, renewal, reviews, pace: Arc::default() }
    }

    /// Who shows this token, which is to be for this.
    pub(crate) async fn verify(
        &self,
        token: &str,
        purpose: Purpose<'_>,
    ) -> Result<VerifiedSubject, SubjectError> {
        let deadline = Instant::now() + PATIENCE;
        match self.examine(token, purpose, deadline).await? {
            Examined::Verified(subject) => Ok(subject),
            Examined::Unreviewed(subject) => {
                let status = self.reviews.review(&subject, token, deadline).await?;
                subject.confirm(&status)
            }
        }
    }

    async fn examine(
        &self,
        token: &str,
        purpose: Purpose<'_>,
        deadline: Instant,
    ) -> Result<Examined, SubjectError> {
        match self.authority.examine_subject(token, purpose) {
            Err(stale) if self.renew(&stale, deadline).await => {
                self.authority.examine_subject(token, purpose)
            }
            outcome => outcome,
        }
    }

    /// Asks for newer keys, where they may take what was refused and were not asked for a moment ago.
    async fn renew(&self, stale: &SubjectError, deadline: Instant) -> bool {
        if let Some(trust_domain) = stale.stale_domain() {
            let mut domains = self.authority.subject_domains().list().iter();
            return match domains.find(|domain| domain.trust_domain == *trust_domain) {
                Some(domain) => self.renewal.renew(domain).await,
                None => false,
            };
        }
        let Some(issuer) = stale.may_be_stale() else { return false };
        if !self.key_sets.has(issuer) || !self.pace.take(issuer, Instant::now()) {
            return false;
        }
        let source = self.authority.subject_sources().of_issuer(issuer);
        let fetched = self.key_sets.refresh(issuer);
        if source.is_some_and(|source| source.kind == SourceKind::Kubernetes) {
            // Too late is as good as nothing new: what comes then is there for the next one.
            timeout_at(deadline, fetched).await.ok();
        } else {
            fetched.await;
        }
        true
    }
}
