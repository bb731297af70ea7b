//! The provider metadata of OpenID Connect Discovery 1.0 section 3, and of RFC 8414 section 2.
//!
//! One value serves both documents: it holds what AWS, Google Cloud, Azure and kube-apiserver need
//! and nothing that invites a browser flow. The coordinator writes it, `token verify` reads it.

use crate::algorithm::Algorithm;
use crate::issuer_url::IssuerUrl;

/// What a relying party learns from `<issuer>/.well-known/openid-configuration`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProviderMetadata {
    /// Byte for byte the `iss` of every token.
    pub issuer: IssuerUrl,
    /// Where the key set is.
    pub jwks_uri: String,
    /// Always `["id_token"]`.
    #[serde(default)]
    pub response_types_supported: Vec<String>,
    /// Always `["public"]`.
    #[serde(default)]
    pub subject_types_supported: Vec<String>,
    /// The active key's algorithm first.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// The claims a token may carry.
    #[serde(default)]
    pub claims_supported: Vec<String>,
}

impl ProviderMetadata {
    /// The document of an issuer with these signature algorithms, the active one first.
    #[must_use]
    pub fn new(issuer: IssuerUrl, jwks_uri: String, algorithms: &[Algorithm]) -> Self {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Self {
            issuer,
            jwks_uri,
            response_types_supported: texts(&["id_token"]),
            subject_types_supported: texts(&["public"]),
            id_token_signing_alg_values_supported: algorithms
                .iter()
                .map(|algorithm| algorithm.as_str().to_owned())
                .collect(),
            claims_supported: texts(&[
                "iss",
                "sub",
                "aud",
                "iat",
                "nbf",
                "exp",
                "jti",
                "organization_id",
                "cluster_id",
                "app",
                "app_uid",
                "sandbox_id",
                "runner_id",
                "identity_type",
                "system_workload",
                "role",
                "spiffe_id",
                "policies",
                "participant_context",
                "act",
                "kubernetes.io",
            ]),
        }
    }
}
