//! A profile that was read and checked.

use std::time::Duration;

use moneyer_identity::grant::{
    AssertionType, EndpointRule, GrantKind, GrantScope, HeaderPlacement, HostPattern, PathPattern,
    TokenEndpoint, TokenType,
};
use moneyer_identity::{Audience, CredentialName};
use serde_json::Value;

use super::profile_id::ProfileId;

/// Most credentials of a profile.
pub const MAXIMUM_CREDENTIALS: usize = 16;

/// Most endpoints of a profile.
pub const MAXIMUM_ENDPOINTS: usize = 64;

/// Most ports of an endpoint.
pub const MAXIMUM_PORTS: usize = 16;

/// Most overrides of a grant.
pub const MAXIMUM_OVERRIDES: usize = 64;

/// A profile. Made by [`Profile::read`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub(super) id: ProfileId,
    pub(super) display_name: String,
    pub(super) credentials: Vec<Credential>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) document: Value,
}

impl Profile {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ProfileId {
        &self.id
    }

    /// What it is called where people read it; empty where it says nothing.
    #[must_use]
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// What its providers hold or obtain.
    #[must_use]
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// What its sandboxes may reach.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The document it was read from.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The credential of this name.
    #[must_use]
    pub fn credential(&self, name: &CredentialName) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.name == *name)
    }

    /// The grants that exchange what this credential holds; none where it is no subject credential.
    pub fn exchanges_of<'a>(
        &'a self,
        name: &'a CredentialName,
    ) -> impl Iterator<Item = (&'a CredentialName, &'a GrantTemplate)> + 'a {
        self.credentials.iter().filter_map(move |credential| {
            let grant = credential.grant.as_ref()?;
            let subject = grant.subject.as_ref()?;
            (subject.credential == *name).then_some((&credential.name, grant))
        })
    }
}

/// Something that a provider holds, or a token it obtains.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// Its name.
    pub name: CredentialName,
    /// Whether a provider is none without it.
    pub required: bool,
    /// How it is obtained, if it is a token.
    pub grant: Option<GrantTemplate>,
}

/// How a token is obtained, before it is bound to endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantTemplate {
    /// By which grant.
    pub kind: GrantKind,
    /// Where it is asked for; nowhere where the JWT-SVID is the token.
    pub endpoint: Option<TokenEndpoint>,
    /// The resource it is for.
    pub audience: Option<Audience>,
    /// What it may do there.
    pub scopes: Vec<GrantScope>,
    /// The audience of the JWT-SVID.
    pub svid_audience: Audience,
    /// What the assertion is called.
    pub assertion_type: AssertionType,
    /// How long it is kept.
    pub cache_ttl: Option<Duration>,
    /// Other audiences and scopes for some of the endpoints.
    pub overrides: Vec<Override>,
    /// The user's token; of an exchange only, and of every one.
    pub subject: Option<SubjectToken>,
    /// What is asked for at an exchange.
    pub requested_token_type: TokenType,
    /// Where it stands on a request.
    pub placement: HeaderPlacement,
}

/// Another audience, or other scopes, for some of the endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// For these hosts; the endpoint's where there is none.
    pub host: Option<HostPattern>,
    /// For this port; any where it is 0.
    pub port: u16,
    /// For these paths; the endpoint's where there is none.
    pub path: Option<PathPattern>,
    /// The audience; the grant's where there is none.
    pub audience: Option<Audience>,
    /// The scopes, in place of the grant's; the grant's where there are none.
    pub scopes: Vec<GrantScope>,
}

/// Where a user's token is taken from.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectToken {
    /// The credential of the same profile that holds it. It never leaves the coordinator.
    pub credential: CredentialName,
    /// What it is, for the token service.
    pub token_type: TokenType,
}

/// An endpoint, with all its ports.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its ports, each once.
    pub ports: Vec<u16>,
    /// The rule of each of them, but for its provider and its port.
    pub(super) rule: EndpointRule,
}

impl Endpoint {
    /// Its hosts.
    #[must_use]
    pub fn host(&self) -> &HostPattern {
        &self.rule.host
    }
}
