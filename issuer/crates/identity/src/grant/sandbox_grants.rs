//! Everything a sandbox may reach, and the tokens for it.

use serde::{Deserialize, Serialize};

use super::host::{Destination, HostPattern};
use super::path::PathPattern;
use super::rule::EndpointRule;
use super::token_grant::TokenGrant;

/// A token for the requests to some hosts and paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// The hosts.
    pub host: HostPattern,
    /// The port.
    pub port: u16,
    /// The paths.
    pub path: PathPattern,
    /// How the token is obtained and where it stands.
    pub grant: TokenGrant,
}

impl Binding {
    /// What tells it from every other: host, port, path, and provider and credential, with tabs between.
    #[must_use]
    pub fn key(&self) -> String {
        let Self { host, port, path, grant } = self;
        format!("{host}\t{port}\t{path}\t{}:{}", grant.provider, grant.credential)
    }

    /// Whether some request may get a token of either, and neither binding says more than the other.
    #[must_use]
    pub fn is_ambiguous_with(&self, other: &Self) -> bool {
        self.port == other.port
            && self.grant.placement.header().alike() == other.grant.placement.header().alike()
            && self.score() == other.score()
            && self.host.overlaps(&other.host)
            && self.path.overlaps(&other.path)
    }

    /// Whether it is for the requests to a path of a destination.
    #[must_use]
    pub fn is_for(&self, destination: &Destination, path: &str) -> bool {
        self.port == destination.port() && self.host.reaches(destination) && self.path.matches(path)
    }

    /// How much it says of the requests it is for.
    #[must_use]
    pub fn score(&self) -> i64 {
        self.host.score() + self.path.score()
    }
}

/// What a sandbox may reach, and the tokens for it, at one moment. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SandboxGrants {
    /// Another one with every change of what is behind it: the profiles, the providers and what they hold.
    pub revision: String,
    /// What it may reach.
    pub endpoints: Vec<EndpointRule>,
    /// The tokens.
    pub bindings: Vec<Binding>,
}

impl SandboxGrants {
    /// Whether there is nothing it may reach.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.bindings.is_empty()
    }
}
