//! Whose SVIDs are taken at log-in, and by which rules: said by the configuration alone.
//!
//! A trust domain that is not named here is not let in, federated or not: to verify the SVIDs of a domain for
//! workloads is one thing, to give its workloads tokens of this cluster is another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::spiffe::{
    JwtSvidRules, MAXIMUM_LEEWAY, RuleError, SvidAlgorithm, TrustBundle, TrustDomain,
};
use moneyer_identity::{Audience, Lifetime};

use crate::federation::BundleUrl;

/// Where log-ins come in. After the issuer it is the audience that JWT-SVIDs for them name.
pub const LOGIN_PATH: &str = "/v1/login/spiffe";

/// Most trust domains that may log in, those of the cluster and of every federation among them.
pub const MAXIMUM_DOMAINS: usize = 128;

/// Where the keys of a trust domain come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Its trust bundle: the cluster's own, or that of a federation. Knows X.509-SVIDs too.
    Bundle,
    /// These keys.
    Keys(Arc<TrustBundle>),
    /// A JWK Set.
    Url {
        /// Where it is.
        url: BundleUrl,
        /// The roots that its server is known under, PEM. Without: those that this machine trusts.
        roots: Option<String>,
    },
}

/// Why a trust domain cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// More than [`MAXIMUM_DOMAINS`].
    #[error("at most {MAXIMUM_DOMAINS} trust domains may log in")]
    TooMany,
    /// It stands twice.
    #[error("the trust domain {0} stands twice")]
    Twice(TrustDomain),
    /// Without one a token for anybody would be taken.
    #[error("at least one audience is needed for {0}")]
    NoAudience(TrustDomain),
    /// The skew is too long.
    #[error("the clock skew forgiven may be {} s at most", MAXIMUM_LEEWAY.as_secs())]
    Leeway,
}

/// A trust domain whose workloads may log in, where a policy names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginDomain {
    /// Which.
    pub trust_domain: TrustDomain,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The audiences of which its JWT-SVIDs name one. Empty: the log-in of this issuer.
    pub audiences: Vec<Audience>,
    /// The algorithms its JWT-SVIDs may have. Empty: every one that JWT-SVIDs have.
    pub algorithms: Vec<SvidAlgorithm>,
    /// How far its clocks may be off.
    pub leeway: Duration,
    /// What `iss` of its JWT-SVIDs has to be, exactly. Without: whatever it is; the subject says whose it is.
    pub issuer: Option<String>,
}

impl LoginDomain {
    /// What its JWT-SVIDs have to be. `usual` are the audiences where it has none of its own.
    pub(super) fn rules(&self, usual: Vec<String>) -> Result<JwtSvidRules, RuleError> {
        let own = self.audiences.iter().map(|audience| audience.as_str().to_owned());
        let audiences = if self.audiences.is_empty() { usual } else { own.collect() };
        let rules = JwtSvidRules::for_audiences(audiences)?.with_leeway(self.leeway)?;
        if self.algorithms.is_empty() {
            return Ok(rules);
        }
        rules.with_algorithms(self.algorithms.clone())
    }
}

/// Who may log in, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPlan {
    lifetime: Lifetime,
    domains: Vec<LoginDomain>,
}

impl LoginPlan {
    /// Tokens live this long where a policy says nothing; these trust domains may log in.
    pub fn new(lifetime: Lifetime, domains: Vec<LoginDomain>) -> Result<Self, DomainError> {
        if domains.len() > MAXIMUM_DOMAINS {
            return Err(DomainError::TooMany);
        }
        let mut seen = BTreeSet::new();
        for domain in &domains {
            if !seen.insert(&domain.trust_domain) {
                return Err(DomainError::Twice(domain.trust_domain.clone()));
            }
            if domain.leeway > MAXIMUM_LEEWAY {
                return Err(DomainError::Leeway);
            }
        }
        Ok(Self { lifetime, domains })
    }

    /// Nobody may log in.
    pub(crate) fn of_nobody() -> Self {
        Self { lifetime: Lifetime::from_seconds(0), domains: Vec::new() }
    }

    /// How long a token lives where nothing else is asked for.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Every trust domain that may log in.
    #[must_use]
    pub fn domains(&self) -> &[LoginDomain] {
        &self.domains
    }

    /// How this one may, if it may.
    #[must_use]
    pub fn find(&self, trust_domain: &TrustDomain) -> Option<&LoginDomain> {
        self.domains.iter().find(|domain| domain.trust_domain == *trust_domain)
    }
}
