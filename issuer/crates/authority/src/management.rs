//! Which service accounts may manage, and what: said by the configuration alone.
//!
//! Their tokens name an audience of their own. One that also let its holder exchange could be shown here by whoever
//! received it for an exchange, and the other way round; so no issuer whose tokens are exchanged has it.

use std::collections::{BTreeMap, BTreeSet};

use moneyer_identity::Audience;

use crate::exchange::{ClientIdentifier, Purpose, SourceKind, SubjectSources};
use crate::login::Permission;

/// Most service accounts that may manage.
pub const MAXIMUM_ACCOUNTS: usize = 256;

/// Why service accounts cannot manage so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagementPlanError {
    /// More than [`MAXIMUM_ACCOUNTS`].
    #[error("at most {MAXIMUM_ACCOUNTS} service accounts may manage")]
    TooMany,
    /// One stands twice.
    #[error("the service account {0} stands twice")]
    Twice(ClientIdentifier),
    /// It stands for several.
    #[error("{0} stands for a namespace: whoever may make service accounts in it could manage")]
    Pattern(ClientIdentifier),
    /// Nothing says which tokens are meant for the management API.
    #[error("service accounts need an audience of their own here: name one in management.audience")]
    NoAudience,
    /// Tokens with this audience are exchanged.
    #[error(
        "tokens for {0} are exchanged: whoever is shown one for an exchange could manage with it; choose another"
    )]
    Shared(Audience),
}

/// Which service accounts may manage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagementPlan {
    audience: Option<Audience>,
    accounts: BTreeMap<ClientIdentifier, BTreeSet<Permission>>,
}

impl ManagementPlan {
    /// Checks that they fit together, and with whose tokens are exchanged.
    pub fn new(
        audience: Option<Audience>,
        accounts: Vec<(ClientIdentifier, BTreeSet<Permission>)>,
        exchanged: impl Fn(&Audience) -> bool,
    ) -> Result<Self, ManagementPlanError> {
        if accounts.len() > MAXIMUM_ACCOUNTS {
            return Err(ManagementPlanError::TooMany);
        }
        if audience.is_none() && !accounts.is_empty() {
            return Err(ManagementPlanError::NoAudience);
        }
        if let Some(audience) = audience.as_ref().filter(|audience| exchanged(audience)) {
            return Err(ManagementPlanError::Shared(audience.clone()));
        }
        let mut plan = Self { audience, accounts: BTreeMap::new() };
        for (account, permissions) in accounts {
            if account.is_pattern() {
                return Err(ManagementPlanError::Pattern(account));
            }
            if plan.accounts.insert(account.clone(), permissions).is_some() {
                return Err(ManagementPlanError::Twice(account));
            }
        }
        Ok(plan)
    }

    /// What a token of this issuer would be shown for, if service accounts of it may manage.
    #[must_use]
    pub fn purpose(&self, issuer: &str, sources: &SubjectSources) -> Option<Purpose<'_>> {
        sources.of_issuer(issuer).filter(|source| source.kind == SourceKind::Kubernetes)?;
        if self.accounts.is_empty() {
            None
        } else {
            self.audience.as_ref().map(Purpose::Management)
        }
    }

    /// What a service account may do.
    #[must_use]
    pub fn permissions(&self, account: &ClientIdentifier) -> Option<&BTreeSet<Permission>> {
        self.accounts.get(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> (ClientIdentifier, BTreeSet<Permission>) {
        (ClientIdentifier::parse(name).unwrap(), BTreeSet::new())
    }

    fn plan(
        audience: Option<&str>,
        accounts: Vec<(ClientIdentifier, BTreeSet<Permission>)>,
    ) -> Result<ManagementPlan, ManagementPlanError> {
        let audience = audience.map(|audience| Audience::parse(audience).unwrap());
        ManagementPlan::new(audience, accounts, |audience| audience.as_str() == "moneyer")
    }

    #[test]
    fn an_account_is_one_and_has_an_audience_that_no_exchange_has() {
        let one = || account("system:serviceaccount:ops:admin");
        assert!(plan(Some("manage"), vec![one()]).is_ok());
        assert!(plan(None, Vec::new()).is_ok());
        assert_eq!(plan(None, vec![one()]), Err(ManagementPlanError::NoAudience));
        assert_eq!(
            plan(Some("manage"), vec![one(), one()]),
            Err(ManagementPlanError::Twice(one().0))
        );
        let every = account("system:serviceaccount:ops:*");
        let refused = plan(Some("manage"), vec![every.clone()]);
        assert_eq!(refused, Err(ManagementPlanError::Pattern(every.0)));
        let shared = plan(Some("moneyer"), Vec::new());
        assert!(matches!(shared, Err(ManagementPlanError::Shared(_))));
    }

    #[test]
    fn as_many_accounts_as_may_be() {
        let several = |count| (0..count).map(|at| account(&format!("a{at}"))).collect::<Vec<_>>();
        assert!(plan(Some("manage"), several(MAXIMUM_ACCOUNTS)).is_ok());
        let more = plan(Some("manage"), several(MAXIMUM_ACCOUNTS + 1));
        assert_eq!(more, Err(ManagementPlanError::TooMany));
    }
}
