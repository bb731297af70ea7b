//! The JSON form of a public key, as it is published.
//!
//! Only the members of the strict profile: `kty use alg kid` and the key's own. AWS refuses `key_ops`,
//! Google refuses what it does not know, and `x5c` is added only for verifiers that ask for it.

use crate::algorithm::Algorithm;
use crate::key::certificate::KeyCertificate;
use crate::key::key_id::KeyId;

/// One entry of a published key set.
#[derive(
    Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// What the key is for: `sig` in the OIDC key set.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// The only algorithm the key is used with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<Algorithm>,
    /// The key id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<KeyId>,
    /// RSA modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// First coordinate, or the whole key for OKP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// A certificate over the key, where it is asked for. Written, never read: a key is its own members.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub x5c: Option<[KeyCertificate; 1]>,
}
