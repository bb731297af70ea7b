//! The trust domains whose JWT-SVIDs are taken in exchange, by the rules of log-in.

use moneyer_identity::Lifetime;

use crate::login::{DomainError, LoginDomain, LoginPlan};

/// The trust domains whose JWT-SVIDs are taken. What a log-in does with an SVID is done with these too, but for the
/// policies: mappings say what is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectDomains(LoginPlan);

impl SubjectDomains {
    /// Checks that each stands once, and says for which audience its tokens are: the log-in's is for log-ins.
    pub fn new(domains: Vec<LoginDomain>) -> Result<Self, DomainError> {
        if let Some(open) = domains.iter().find(|domain| domain.audiences.is_empty()) {
            return Err(DomainError::NoAudience(open.trust_domain.clone()));
        }
        LoginPlan::new(Lifetime::from_seconds(0), domains).map(Self)
    }

    /// Every one.
    #[must_use]
    pub fn list(&self) -> &[LoginDomain] {
        self.0.domains()
    }

    /// As log-in has them.
    pub(crate) fn plan(&self) -> &LoginPlan {
        &self.0
    }
}

impl Default for SubjectDomains {
    fn default() -> Self {
        // None cannot stand twice.
        Self(LoginPlan::of_nobody())
    }
}
