//! `[issuer]`: who this issuer is.

use moneyer_identity::{ClusterId, IssuerUrl, OrganizationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who this issuer is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSection {
    /// The value of `iss` and the prefix of the discovery address. https, or http on loopback; no
    /// trailing slash. Relying parties compare it byte for byte: choose once. Required.
    pub url: IssuerUrl,
    /// The claim `organization_id`, and the first part of subjects. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// The claim `cluster_id`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Path of the key set under the issuer. Default: `/.well-known/jwks.json`.
    #[serde(default = "default_jwks_path")]
    pub jwks_path: DocumentPath,
    /// Further paths that answer with the key set, for relying parties that learned another one.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jwks_aliases: Vec<DocumentPath>,
}

impl IssuerSection {
    /// Every path of the key set under the issuer.
    pub(crate) fn key_set_paths(&self) -> impl Iterator<Item = String> {
        std::iter::once(&self.jwks_path)
            .chain(&self.jwks_aliases)
            .map(|path| path.as_str().to_owned())
    }
}

fn default_jwks_path() -> DocumentPath {
    DocumentPath("/.well-known/jwks.json".to_owned())
}

/// A path that begins with a slash and has plain segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentPath(String);

impl DocumentPath {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a document's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must begin with a slash and have segments of letters, digits, '.', '_', '-' and '~'")]
pub struct DocumentPathError;

impl TryFrom<String> for DocumentPath {
    type Error = DocumentPathError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~');
        let good = |segment: &str| {
            !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(plain)
        };
        match text.strip_prefix('/') {
            Some(rest) if rest.split('/').all(good) && text.len() <= 255 => Ok(Self(text)),
            _ => Err(DocumentPathError),
        }
    }
}

impl From<DocumentPath> for String {
    fn from(path: DocumentPath) -> Self {
        path.0
    }
}
