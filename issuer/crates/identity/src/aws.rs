//! What AWS STS reads of a token beside the registered claims.
//!
//! Three claims of `AssumeRoleWithWebIdentity`: the roles that the token may be used for, session tags,
//! and a source identity. With `roles` in a token STS refuses every other role before it looks at the
//! role's trust policy. Tags and a source identity make the call fail where that policy does not allow
//! `sts:TagSession` or `sts:SetSourceIdentity`: so none of the three is in a token unless the audience's
//! profile asks for it.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

/// Longest name of a role in bytes (IAM).
const LONGEST_ROLE_NAME: usize = 64;

/// Longest path of a role in bytes, both slashes included (IAM).
const LONGEST_ROLE_PATH: usize = 512;

/// Fewest characters of a source identity (STS).
const SHORTEST_SOURCE_IDENTITY: usize = 2;

/// Why a text is no ARN of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no ARN of an IAM role; write it as arn:aws:iam::123456789012:role/NAME, without a wildcard"
)]
pub struct RoleArnError;

/// The ARN of an IAM role: exact, without a wildcard.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleArn(Arc<str>);

impl RoleArn {
    /// Parses the exact text.
    pub fn parse(text: &str) -> Result<Self, RoleArnError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(RoleArnError);
        };
        let is_role = arn == "arn"
            && matches!(partition, "aws" | "aws-cn" | "aws-us-gov")
            && (service, region) == ("iam", "")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit());
        let role = resource.strip_prefix("role/").filter(|_| is_role).ok_or(RoleArnError)?;
        let (path, name) = role.rsplit_once('/').unwrap_or(("", role));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        let fits = (1..=LONGEST_ROLE_NAME).contains(&name.len())
            && name.bytes().all(is_name)
            && path.len().saturating_add(2) <= LONGEST_ROLE_PATH
            && path.bytes().all(|byte| is_name(byte) || byte == b'/');
        if fits { Ok(Self(text.into())) } else { Err(RoleArnError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RoleArn {
    type Err = RoleArnError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RoleArn {
    type Error = RoleArnError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RoleArn> for String {
    fn from(arn: RoleArn) -> Self {
        arn.0.as_ref().to_owned()
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoleArn({})", self.0)
    }
}

impl schemars::JsonSchema for RoleArn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RoleArn".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The ARN of an IAM role, without a wildcard.",
            "pattern": "^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/"
        })
    }
}

/// What of a holder becomes a session tag. The tag's key is the name of the claim.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SessionTag {
    /// The organization of the cluster.
    OrganizationId,
    /// The cluster.
    ClusterId,
    /// The app.
    App,
    /// The id that is given once to an app.
    AppUid,
    /// The sandbox.
    SandboxId,
    /// The runner.
    RunnerId,
    /// The role in the sandbox's record.
    Role,
}

impl SessionTag {
    /// Every tag, in the order they are written.
    pub const ALL: [Self; 7] = [
        Self::OrganizationId,
        Self::ClusterId,
        Self::App,
        Self::AppUid,
        Self::SandboxId,
        Self::RunnerId,
        Self::Role,
    ];

    /// Its key: the name of the claim.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationId => "organization_id",
            Self::ClusterId => "cluster_id",
            Self::App => "app",
            Self::AppUid => "app_uid",
            Self::SandboxId => "sandbox_id",
            Self::RunnerId => "runner_id",
            Self::Role => "role",
        }
    }
}

/// Why a text names no session tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no session tag; use organization_id, cluster_id, app, app_uid, sandbox_id, runner_id or role"
)]
pub struct SessionTagError;

impl std::str::FromStr for SessionTag {
    type Err = SessionTagError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|tag| tag.as_str() == text).ok_or(SessionTagError)
    }
}

/// What becomes the source identity of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceIdentity {
    /// The app's name.
    App,
    /// The sandbox's id.
    Sandbox,
}

/// Why a text names no source identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no source identity; use app or sandbox")]
pub struct SourceIdentityError;

impl std::str::FromStr for SourceIdentity {
    type Err = SourceIdentityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "app" => Ok(Self::App),
            "sandbox" => Ok(Self::Sandbox),
            _ => Err(SourceIdentityError),
        }
    }
}

impl SourceIdentity {
    /// Whether STS takes this text as one: components have no other letters than it takes.
    #[must_use]
    pub fn is_taken(text: &str) -> bool {
        text.len() >= SHORTEST_SOURCE_IDENTITY
    }
}

/// The session tags of a token: `principal_tags`, each with one value, and which of them go along when the
/// session assumes another role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTags {
    /// Each tag that has a value.
    pub principal: Vec<(SessionTag, String)>,
    /// Those that are transitive.
    pub transitive: Vec<SessionTag>,
}

struct PrincipalTags<'a>(&'a [(SessionTag, String)]);

impl Serialize for PrincipalTags<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tags = to.serialize_map(Some(self.0.len()))?;
        for (tag, value) in self.0 {
            tags.serialize_entry(tag.as_str(), &[value])?;
        }
        tags.end()
    }
}

impl Serialize for SessionTags {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tags = to.serialize_map(Some(2))?;
        tags.serialize_entry("principal_tags", &PrincipalTags(&self.principal))?;
        tags.serialize_entry("transitive_tag_keys", &self.transitive)?;
        tags.end()
    }
}

/// The claims that STS reads beside the registered ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AwsClaims {
    /// The roles that the token may be used for; none: the claim is left out, and any may be assumed
    /// whose trust policy allows it.
    #[serde(rename = "https://aws.amazon.com/roles", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleArn>,
    /// Session tags.
    #[serde(rename = "https://aws.amazon.com/tags", skip_serializing_if = "Option::is_none")]
    pub tags: Option<SessionTags>,
    /// The source identity.
    #[serde(
        rename = "https://aws.amazon.com/source_identity",
        skip_serializing_if = "Option::is_none"
    )]
    pub source_identity: Option<String>,
}

impl AwsClaims {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.tags.is_none() && self.source_identity.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_by_its_exact_arn() {
        let longest =
            format!("arn:aws:iam::123456789012:role/{}/{}", "p".repeat(510), "n".repeat(64));
        for taken in [
            "arn:aws:iam::123456789012:role/deploy",
            "arn:aws-us-gov:iam::123456789012:role/team/a/deploy+x=1,2.3@4_5-6",
            &longest,
        ] {
            assert_eq!(RoleArn::parse(taken).unwrap().as_str(), taken);
        }
        for refused in [
            "",
            "deploy",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::123456789012:role/team*/deploy",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/$(id)/x",
            "arn:aws:iam::123456789012:role/;id;/x",
            "arn:aws:iam::123456789012:role/'/x",
            "arn:aws:iam::12345678901:role/deploy",
            "arn:aws:iam::*:role/deploy",
            "arn:aws:iam:eu-west-1:123456789012:role/deploy",
            "arn:aws:sts::123456789012:assumed-role/deploy/x",
            "arn:aws:iam::123456789012:user/deploy",
            "arn:evil:iam::123456789012:role/deploy",
            " arn:aws:iam::123456789012:role/deploy",
            "arn:aws:iam::123456789012:role/deploy;arn:aws:iam::123456789012:role/other",
            &format!("{longest}n"),
        ] {
            assert_eq!(RoleArn::parse(refused), Err(RoleArnError), "{refused}");
        }
    }

    #[test]
    fn claims_have_the_form_that_sts_reads() {
        let claims = AwsClaims {
            roles: vec![RoleArn::parse("arn:aws:iam::123456789012:role/deploy").unwrap()],
            tags: Some(SessionTags {
                principal: vec![
                    (SessionTag::App, "web".to_owned()),
                    (SessionTag::Role, "r".to_owned()),
                ],
                transitive: vec![SessionTag::App],
            }),
            source_identity: Some("web".to_owned()),
        };
        let expected = concat!(
            r#"{"https://aws.amazon.com/roles":["arn:aws:iam::123456789012:role/deploy"],"#,
            r#""https://aws.amazon.com/tags":{"principal_tags":{"app":["web"],"role":["r"]},"#,
            r#""transitive_tag_keys":["app"]},"https://aws.amazon.com/source_identity":"web"}"#
        );
        assert_eq!(serde_json::to_string(&claims).unwrap(), expected);
        assert_eq!(serde_json::to_string(&AwsClaims::default()).unwrap(), "{}");
        assert!(AwsClaims::default().is_empty() && !claims.is_empty());
    }

    #[test]
    fn names_are_those_of_the_claims() {
        for tag in SessionTag::ALL {
            assert_eq!(tag.as_str().parse(), Ok(tag));
            assert_eq!(serde_json::to_value(tag).unwrap(), tag.as_str());
        }
        assert_eq!("sub".parse::<SessionTag>(), Err(SessionTagError));
        assert_eq!("app".parse(), Ok(SourceIdentity::App));
        assert!("role".parse::<SourceIdentity>().is_err());
        assert!(SourceIdentity::is_taken("ab") && !SourceIdentity::is_taken("a"));
    }
}
