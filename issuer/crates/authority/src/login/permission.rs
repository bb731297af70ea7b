//! What a policy permits: a verb on a resource of the management API, as `apps:write`.
//!
//! To write is not to read: each is named. `*` stands for every resource, those of later versions included.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of the management API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Apps.
    Apps,
    /// Audience profiles.
    Audiences,
    /// The wall clock.
    Clock,
    /// Sandbox controllers.
    Controllers,
    /// Federations and trust bundles.
    Federations,
    /// The issuer.
    Issuer,
    /// Signing keys and the authorities of SVIDs.
    Keys,
    /// What clients may ask for in token exchange.
    Mappings,
    /// Policies: who may write them may permit anything to anybody.
    Policies,
    /// Provider profiles.
    Profiles,
    /// Providers, with what they hold of users, and to what they are attached.
    Providers,
    /// Copies of the public documents.
    Publish,
    /// Runners.
    Runners,
    /// Sandboxes.
    Sandboxes,
    /// What scopes stand for in token exchange.
    Scopes,
    /// The store: its copies are every record there is.
    Store,
    /// Tokens of any sandbox.
    Tokens,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 17] = [
        Self::Apps,
        Self::Audiences,
        Self::Clock,
        Self::Controllers,
        Self::Federations,
        Self::Issuer,
        Self::Keys,
        Self::Mappings,
        Self::Policies,
        Self::Profiles,
        Self::Providers,
        Self::Publish,
        Self::Runners,
        Self::Sandboxes,
        Self::Scopes,
        Self::Store,
        Self::Tokens,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Audiences => "audiences",
            Self::Clock => "clock",
            Self::Controllers => "controllers",
            Self::Federations => "federations",
            Self::Issuer => "issuer",
            Self::Keys => "keys",
            Self::Mappings => "mappings",
            Self::Policies => "policies",
            Self::Profiles => "profiles",
            Self::Providers => "providers",
            Self::Publish => "publish",
            Self::Runners => "runners",
            Self::Sandboxes => "sandboxes",
            Self::Scopes => "scopes",
            Self::Store => "store",
            Self::Tokens => "tokens",
        }
    }

    /// The resource of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.as_str() == name)
    }
}

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Looked at.
    Read,
    /// Changed, made or removed.
    Write,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Why a text is no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no permission: it is a resource, a colon, and read or write, as apps:write or *:read; the resources are \
     apps, audiences, clock, controllers, federations, issuer, keys, mappings, policies, profiles, providers, \
     publish, runners, sandboxes, scopes, store and tokens"
)]
pub struct PermissionError;

/// A verb on one resource or on every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission {
    resource: Option<Resource>,
    verb: Verb,
}

impl Permission {
    /// On one resource.
    #[must_use]
    pub fn on(resource: Resource, verb: Verb) -> Self {
        Self { resource: Some(resource), verb }
    }

    /// Whether what is asked for is in it.
    #[must_use]
    pub fn covers(self, asked: Self) -> bool {
        self.verb == asked.verb && (self.resource.is_none() || self.resource == asked.resource)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource.map_or("*", Resource::as_str);
        write!(f, "{resource}:{}", self.verb.as_str())
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        let (resource, verb) = text.split_once(':').ok_or(PermissionError)?;
        let resource = match resource {
            "*" => None,
            name => Some(Resource::from_name(name).ok_or(PermissionError)?),
        };
        let verb = match verb {
            "read" => Verb::Read,
            "write" => Verb::Write,
            _ => return Err(PermissionError),
        };
        Ok(Self { resource, verb })
    }
}

impl TryFrom<String> for Permission {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

impl schemars::JsonSchema for Permission {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Permission".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let resources = Resource::ALL.map(Resource::as_str).join("|");
        schemars::json_schema!({
            "type": "string",
            "description": "A verb on one resource, or on every one (`*`).",
            "pattern": format!(r"^({resources}|\*):(read|write)$")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_what_it_is_written_as() {
        for resource in Resource::ALL.map(Some).into_iter().chain([None]) {
            for verb in [Verb::Read, Verb::Write] {
                let permission = Permission { resource, verb };
                assert_eq!(permission.to_string().parse(), Ok(permission));
            }
        }
        for bad in ["", "apps", "apps:", ":read", "apps:*", "*", "*:*", "App:read", "apps:read "] {
            assert_eq!(bad.parse::<Permission>(), Err(PermissionError), "{bad}");
        }
    }

    #[test]
    fn the_error_names_every_resource() {
        let text = PermissionError.to_string();
        assert!(Resource::ALL.iter().all(|resource| text.contains(resource.as_str())), "{text}");
    }

    #[test]
    fn to_write_is_not_to_read_and_one_resource_is_not_another() {
        let asked: Permission = "apps:write".parse().unwrap();
        for (held, covers) in [
            ("apps:write", true),
            ("*:write", true),
            ("apps:read", false),
            ("*:read", false),
            ("keys:write", false),
        ] {
            assert_eq!(held.parse::<Permission>().unwrap().covers(asked), covers, "{held}");
        }
    }
}
