//! The JSON of audience profiles. The command line reads the same types.

use moneyer_authority::AppFit;
use moneyer_authority::audiences::{AudienceProfile, AwsExtras, ProfileSpec};
use moneyer_identity::{
    Algorithm, AppName, Audience, Lifetime, ProfileName, RelyingParty, SubjectForm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who named a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NamedBy {
    /// The coordinator's configuration: it is changed there.
    Configuration,
    /// An operator, by a command.
    Operator,
}

/// An audience profile as it holds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AudienceView {
    pub(crate) name: ProfileName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preset: Option<RelyingParty>,
    /// The exact value of `aud`.
    pub(crate) value: Audience,
    pub(crate) subject: SubjectForm,
    pub(crate) default_lifetime_seconds: u32,
    pub(crate) maximum_lifetime_seconds: u32,
    /// What tokens are signed with, once a key of it signs.
    pub(crate) algorithm: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "AwsExtras::is_empty")]
    pub(crate) aws: AwsExtras,
    pub(crate) named_by: NamedBy,
}

impl AudienceView {
    pub(crate) fn of(profile: &AudienceProfile, configured: bool) -> Self {
        Self {
            name: profile.name.clone(),
            preset: profile.relying_party,
            value: profile.audience.clone(),
            subject: profile.subject,
            default_lifetime_seconds: profile.lifetimes.default_lifetime().seconds(),
            maximum_lifetime_seconds: profile.lifetimes.maximum().seconds(),
            algorithm: Some(profile.algorithm),
            aws: profile.aws.clone(),
            named_by: if configured { NamedBy::Configuration } else { NamedBy::Operator },
        }
    }
}

/// What is said of an audience. What is left out follows from the preset and the cluster.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AudienceBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preset: Option<RelyingParty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<SubjectForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_lifetime_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_lifetime_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) algorithm: Option<Algorithm>,
    #[serde(skip_serializing_if = "AwsExtras::is_empty")]
    pub(crate) aws: AwsExtras,
}

impl AudienceBody {
    /// The same, under its name.
    pub(crate) fn spec(self, name: ProfileName) -> ProfileSpec {
        ProfileSpec {
            name,
            preset: self.preset,
            audience: self.value,
            subject: self.subject,
            default_lifetime: self.default_lifetime_seconds.map(Lifetime::from_seconds),
            maximum_lifetime: self.maximum_lifetime_seconds.map(Lifetime::from_seconds),
            algorithm: self.algorithm,
            aws: self.aws,
        }
    }
}

/// A profile and the apps that may ask for it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AudienceCheckView {
    pub(crate) audience: AudienceView,
    /// By name.
    pub(crate) apps: Vec<CheckedAppView>,
}

/// What an app's tokens for an audience say.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CheckedAppView {
    pub(crate) app: AppName,
    /// The subject; `SANDBOX` stands for a sandbox's id where it names one.
    pub(crate) subject: String,
    /// Why the relying party would refuse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl From<AppFit> for CheckedAppView {
    fn from(fit: AppFit) -> Self {
        let problem = fit.misfit.map(|misfit| misfit.to_string());
        Self { app: fit.app.name.clone(), subject: fit.subject, problem }
    }
}
