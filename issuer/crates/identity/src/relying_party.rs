//! What relying parties demand of a token: the facts behind the presets.
//!
//! Each is what the party documents or was seen to do; where it says nothing the strictest of what the
//! others take holds. A preset only begins from these: an operator may ask for less and not for more.

use std::time::Duration;

use crate::algorithm::Algorithm;

/// A kind of relying party whose demands are known.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RelyingParty {
    /// AWS IAM with an OIDC provider.
    Aws,
    /// Google Cloud workload identity federation.
    Gcp,
    /// Azure, with a federated identity credential.
    Azure,
    /// Vault or `OpenBao`, JWT auth.
    Vault,
    /// A Kubernetes API server.
    Kubernetes,
    /// Snowflake workload identity federation.
    Snowflake,
}

/// Why a text names no relying party.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no preset; use aws, gcp, azure, vault, kubernetes or snowflake")]
pub struct RelyingPartyError;

impl std::str::FromStr for RelyingParty {
    type Err = RelyingPartyError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|party| party.as_str() == text).ok_or(RelyingPartyError)
    }
}

impl RelyingParty {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::Aws, Self::Gcp, Self::Azure, Self::Vault, Self::Kubernetes, Self::Snowflake];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Vault => "vault",
            Self::Kubernetes => "kubernetes",
            Self::Snowflake => "snowflake",
        }
    }

    /// The audience that it expects unless it is told another. The others have none that would be the
    /// same for everybody.
    #[must_use]
    pub fn audience(self) -> Option<&'static str> {
        match self {
            Self::Aws => Some("sts.amazonaws.com"),
            Self::Azure => Some("api://AzureADTokenExchange"),
            Self::Snowflake => Some("snowflakecomputing.com"),
            Self::Gcp | Self::Vault | Self::Kubernetes => None,
        }
    }

    /// The longest subject in bytes: `google.subject` 127, a federated identity credential 600, SUBJECT
    /// of Snowflake 255.
    #[must_use]
    pub fn longest_subject(self) -> Option<usize> {
        match self {
            Self::Gcp => Some(127),
            Self::Azure => Some(600),
            Self::Snowflake => Some(255),
            Self::Aws | Self::Vault | Self::Kubernetes => None,
        }
    }

    /// Whether it takes signatures of this algorithm. Azure documents RS256 alone, Snowflake nothing.
    #[must_use]
    pub fn takes(self, algorithm: Algorithm) -> bool {
        match self {
            Self::Azure | Self::Snowflake => algorithm == Algorithm::RS256,
            Self::Aws | Self::Gcp | Self::Kubernetes => algorithm != Algorithm::EdDsa,
            Self::Vault => true,
        }
    }

    /// The shortest lifetime that serves its SDK from a file that is renewed at half life: Azure's reads
    /// the file anew only every ten minutes.
    #[must_use]
    pub fn shortest_default_lifetime(self) -> Duration {
        match self {
            Self::Azure => Duration::from_secs(25 * 60),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::Audience;

    #[test]
    fn each_is_named_and_its_audience_is_one() {
        for party in RelyingParty::ALL {
            assert_eq!(party.as_str().parse(), Ok(party));
            assert_eq!(serde_json::to_value(party).unwrap(), party.as_str());
            assert!(party.audience().is_none_or(|text| Audience::parse(text).is_ok()));
            assert!(party.takes(Algorithm::RS256), "RS256 is taken everywhere");
        }
        assert_eq!("AWS".parse::<RelyingParty>(), Err(RelyingPartyError));
    }

    #[test]
    fn demands_are_those_of_the_documents() {
        use RelyingParty::{Aws, Azure, Gcp, Snowflake, Vault};
        assert_eq!(Gcp.longest_subject(), Some(127));
        assert_eq!(Azure.longest_subject(), Some(600));
        assert_eq!(Snowflake.longest_subject(), Some(255));
        assert!(Aws.takes(Algorithm::ES256) && !Azure.takes(Algorithm::ES256));
        assert!(!Aws.takes(Algorithm::EdDsa) && Vault.takes(Algorithm::EdDsa));
    }
}
