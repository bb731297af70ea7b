//! Signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1).
//!
//! The list is closed: `none`, HMAC, RSA-PSS and the SHA-384/512 variants do not exist here, so no
//! code can be talked into them (RFC 8725 section 3.1). An algorithm is a property of a key, never of
//! a token alone.

use std::fmt;
use std::str::FromStr;

/// A signature algorithm by its JOSE name. Compared exactly, case included.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what every relying party takes.
    RS256,
    /// ECDSA on P-256 with SHA-256: taken by AWS, Google Cloud and Kubernetes, not by Azure.
    ES256,
    /// Ed25519. Legacy: verified and, where a cluster began with it, signed; taken by no cloud.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, the most widely accepted first.
    pub const ALL: [Self; 3] = [Self::RS256, Self::ES256, Self::EdDsa];

    /// The `alg` value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of an `alg` value, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// The text names no algorithm of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be RS256 or ES256")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::from_name(text).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(algorithm));
        }
        for other in ["none", "None", "nOnE", "HS256", "RS384", "PS256", "rs256", "EDDSA", ""] {
            assert_eq!(Algorithm::from_name(other), None, "{other}");
        }
    }
}
