//! `[[audience]]`: what follows when a sandbox asks for an audience.

use moneyer_authority::audiences::{AwsExtras, ProfileSpec};
use moneyer_daemon::settings::Span;
use moneyer_identity::{
    Algorithm, Audience, ProfileName, RelyingParty, RoleArn, SessionTag, SourceIdentity,
    SubjectForm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::charter::lifetime;

/// An audience profile.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceSection {
    /// Its name, and that of the token file in a sandbox's directory. Required.
    pub name: ProfileName,
    /// Whose demands it meets: `aws`, `gcp`, `azure`, `vault`, `kubernetes` or `snowflake`. What that party
    /// would refuse is refused here. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<RelyingParty>,
    /// The exact value of `aud`. Default: that of the preset (`aws`, `azure` and `snowflake` have one);
    /// required otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Audience>,
    /// How the subject is written: `sandbox`, `app`, `spiffe_sandbox` or `spiffe_app`. Default: `app`,
    /// which stays the same across deploys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectForm>,
    /// Lifetime where none is asked for. Default: that of `[tokens]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<Span>,
    /// Longest lifetime. Default: that of `[tokens]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_lifetime: Option<Span>,
    /// What tokens are signed with: `RS256` or `ES256`, that of `keys.algorithm` or `keys.second_algorithm`.
    /// Until a key of it signs, the other one's does if the relying party takes it. Default: the first of them
    /// that the preset's party takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Claims that AWS reads, with the preset `aws`. Default: none.
    #[serde(default, skip_serializing_if = "AwsSection::is_empty")]
    pub aws: AwsSection,
}

/// Claims that AWS reads. Without any of them a token has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSection {
    /// ARNs of the roles that tokens may be used for: STS refuses every other, whatever its trust policy
    /// says. Default: none, and any role may be assumed whose trust policy allows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleArn>,
    /// Claims that become session tags: `organization_id`, `cluster_id`, `app`, `app_uid`, `sandbox_id`,
    /// `runner_id` or `role`. The roles' trust policies must then allow `sts:TagSession`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SessionTag>,
    /// Which of the tags go along when a session assumes another role. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitive_tags: Vec<SessionTag>,
    /// What becomes the source identity: `app` or `sandbox`. The roles' trust policies must then allow
    /// `sts:SetSourceIdentity`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<SourceIdentity>,
}

impl AwsSection {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AudienceSection {
    /// What it says.
    pub(super) fn spec(&self) -> ProfileSpec {
        let AwsSection { roles, tags, transitive_tags, source_identity } = self.aws.clone();
        ProfileSpec {
            name: self.name.clone(),
            preset: self.preset,
            audience: self.value.clone(),
            subject: self.subject,
            default_lifetime: self.default_lifetime.map(lifetime),
            maximum_lifetime: self.maximum_lifetime.map(lifetime),
            algorithm: self.algorithm,
            aws: AwsExtras { roles, tags, transitive_tags, source_identity },
        }
    }
}
