//! `[management]`: which service accounts may use the management API.

use std::collections::BTreeSet;

use moneyer_authority::exchange::{ClientIdentifier, SourceKind, SubjectSources};
use moneyer_authority::login::{Permission, Resource, Verb};
use moneyer_authority::management::{ManagementPlan, ManagementPlanError};
use moneyer_identity::{Audience, ClusterId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Management at `listen.management_remote` by service accounts of clusters in `[[exchange.cluster]]`, which show
/// their own tokens. They are verified as for an exchange.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementSection {
    /// The audience of these tokens. None that is exchanged: whoever is shown a token for an exchange could manage
    /// with it. Default: none, which is an error if a service account may manage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Which service accounts. Default: none.
    #[serde(rename = "service_account", skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<ServiceAccountSection>,
}

/// A service account that may manage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountSection {
    /// Its cluster, as `[[exchange.cluster]]` names it. Required.
    pub cluster: ClusterId,
    /// Its name: `system:serviceaccount:NAMESPACE:NAME`. Required.
    pub id: String,
    /// What it may do: roles of Jwtlet (`jwtlet:management:read`, `jwtlet:management:mappings:write`,
    /// `jwtlet:management:scope:write`) or permissions as policies have them, such as `apps:read`. Required.
    pub roles: Vec<Role>,
}

/// A role of Jwtlet, or a permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Role {
    /// To read mappings and scopes.
    JwtletRead,
    /// To change mappings, and not to read them.
    JwtletMappingsWrite,
    /// To change scopes, and not to read them.
    JwtletScopeWrite,
    /// As a policy has it.
    Permission(Permission),
}

/// The roles of Jwtlet by their names, of which one has a plural.
const JWTLET: [(&str, Role); 3] = [
    ("jwtlet:management:read", Role::JwtletRead),
    ("jwtlet:management:mappings:write", Role::JwtletMappingsWrite),
    ("jwtlet:management:scope:write", Role::JwtletScopeWrite),
];

impl Role {
    fn permissions(&self) -> Vec<Permission> {
        let on = Permission::on;
        match self {
            Self::JwtletRead => {
                vec![on(Resource::Mappings, Verb::Read), on(Resource::Scopes, Verb::Read)]
            }
            Self::JwtletMappingsWrite => vec![on(Resource::Mappings, Verb::Write)],
            Self::JwtletScopeWrite => vec![on(Resource::Scopes, Verb::Write)],
            Self::Permission(permission) => vec![*permission],
        }
    }
}

impl TryFrom<String> for Role {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some((_, role)) = JWTLET.iter().find(|(name, _)| *name == text) {
            return Ok(role.clone());
        }
        let permission = text.parse().map(Self::Permission);
        permission.map_err(|error: moneyer_authority::login::PermissionError| {
            let roles = JWTLET.map(|(name, _)| name).join(", ");
            format!("{text} is none of the roles {roles}, and {error}")
        })
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        match &role {
            Role::Permission(permission) => permission.to_string(),
            other => {
                let named = JWTLET.iter().find(|(_, role)| role == other);
                named.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
            }
        }
    }
}

impl ManagementSection {
    /// Which service accounts may manage. `taken` are the audiences that are exchanged.
    pub(super) fn plan(
        &self,
        sources: &SubjectSources,
        taken: impl Fn(&Audience) -> bool,
        wrong: &mut impl FnMut(&str, String),
    ) -> Option<ManagementPlan> {
        let mut accounts = Vec::with_capacity(self.service_accounts.len());
        for (at, section) in self.service_accounts.iter().enumerate() {
            match section.account(sources) {
                Ok(account) => accounts.push(account),
                Err((key, message)) => {
                    wrong(&format!("management.service_account[{at}].{key}"), message);
                }
            }
        }
        let all = accounts.len() == self.service_accounts.len();
        let unfit = |error: ManagementPlanError| {
            let key = match error {
                ManagementPlanError::NoAudience | ManagementPlanError::Shared(_) => {
                    "management.audience"
                }
                _ => "management.service_account",
            };
            wrong(key, error.to_string());
        };
        let plan = ManagementPlan::new(self.audience.clone(), accounts, taken);
        plan.map_err(unfit).ok().filter(|_| all)
    }
}

impl ServiceAccountSection {
    fn account(
        &self,
        sources: &SubjectSources,
    ) -> Result<(ClientIdentifier, BTreeSet<Permission>), (&'static str, String)> {
        let source = sources.named(self.cluster.as_str());
        let source = source.filter(|source| source.kind == SourceKind::Kubernetes);
        let unknown = || ("cluster", format!("there is no [[exchange.cluster]] {}", self.cluster));
        let source = source.ok_or_else(unknown)?;
        let parts: Vec<_> = self.id.split(':').collect();
        let is_account = matches!(parts.as_slice(), ["system", "serviceaccount", _, _]);
        let client = ClientIdentifier::parse(&format!("{}{}", source.prefix, self.id));
        let client = client.map_err(|error| ("id", error.to_string()))?;
        if !is_account || parts.iter().any(|part| part.is_empty()) {
            return Err(("id", "is of the form system:serviceaccount:NAMESPACE:NAME".to_owned()));
        }
        if self.roles.is_empty() {
            return Err(("roles", "are none: it could do nothing".to_owned()));
        }
        Ok((client, self.roles.iter().flat_map(Role::permissions).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_of_jwtlet_or_a_permission_and_is_written_as_it_is_read() {
        for name in JWTLET.map(|(name, _)| name).into_iter().chain(["apps:read", "*:write"]) {
            let role = Role::try_from(name.to_owned()).unwrap();
            assert_eq!(String::from(role), name);
        }
        // What Jwtlet's README calls a role, and Jwtlet does not know.
        for bad in ["management:write", "jwtlet:management:scopes:write", "", "apps"] {
            let told = Role::try_from(bad.to_owned()).unwrap_err();
            assert!(told.contains("jwtlet:management:scope:write"), "{told}");
        }
    }

    #[test]
    fn to_write_is_not_to_read_as_in_jwtlet() {
        let permissions = |role: &Role| {
            let texts = role.permissions().into_iter().map(|one| one.to_string());
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(permissions(&Role::JwtletRead), "mappings:read scopes:read");
        assert_eq!(permissions(&Role::JwtletMappingsWrite), "mappings:write");
        assert_eq!(permissions(&Role::JwtletScopeWrite), "scopes:write");
    }
}
