//! The claims of a token: Moneyer's public contract with relying parties.
//!
//! Registered claims follow RFC 7519 section 4.1; the others carry what the coordinator knows of the
//! sandbox. Times are integers (relying parties refuse fractions). `sandbox_id` is always present and
//! empty for a system workload; `identity_type` is a claim of its own because matching on a subject's
//! prefix would let an app's name forge a system identity.

use std::fmt;

use crate::audience::Audiences;
use crate::clock::UnixTime;
use crate::component::{
    AppName, ClusterId, OrganizationId, RunnerId, SandboxId, SystemWorkloadName,
};
use crate::issuer_url::IssuerUrl;
use crate::subject::Subject;

/// What kind of workload a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityType {
    /// A sandbox, an instance of an app.
    Sandbox,
    /// A part of the platform.
    System,
}

/// Everything a token says, in the order it is written.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ClaimSet {
    /// The issuer.
    pub iss: IssuerUrl,
    /// The subject, built from records.
    pub sub: Subject,
    /// One audience, or several where several were asked for.
    pub aud: Audiences,
    /// When the token was minted.
    pub iat: UnixTime,
    /// Before this the token is not valid: a little before `iat`, for verifiers whose clock is slow.
    pub nbf: UnixTime,
    /// From this second on the token is not valid.
    pub exp: UnixTime,
    /// Unique for every token.
    pub jti: TokenId,
    /// The organization of the cluster, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// The cluster, if it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// The app of a sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Given once to an app; another one if the app is removed and made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_uid: Option<AppUid>,
    /// The sandbox; the empty string for a system workload.
    #[serde(serialize_with = "or_empty")]
    pub sandbox_id: Option<SandboxId>,
    /// The runner the sandbox was placed on, or the one a system workload runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<RunnerId>,
    /// What kind of workload this is.
    pub identity_type: IdentityType,
    /// The system workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_workload: Option<SystemWorkloadName>,
    /// The role in the sandbox's record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

#[expect(clippy::ref_option, reason = "the form serde asks for")]
fn or_empty<S: serde::Serializer>(id: &Option<SandboxId>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(id.as_ref().map_or("", SandboxId::as_str))
}

/// 128 random bits in 32 hexadecimal digits.
fn random_hex() -> Result<String, getrandom::Error> {
    use fmt::Write as _;
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(32);
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    Ok(text)
}

/// A `jti`: 128 random bits, so that it is unique without a counter to keep.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TokenId(String);

impl TokenId {
    /// A new one. Fails only where the operating system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_hex().map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An app's immutable id: 128 random bits, so that an app made again under an old name is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AppUid(String);

impl AppUid {
    /// A new one. Fails only where the operating system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_hex().map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_128_bits_and_differ() {
        let (a, b) = (TokenId::random().unwrap(), TokenId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 32);
        assert!(a.as_str().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
