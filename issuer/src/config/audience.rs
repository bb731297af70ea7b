//! `[[audience]]`: what follows when a sandbox asks for an audience.

use moneyer_daemon::settings::Span;
use moneyer_identity::{Audience, ProfileName, SubjectForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An audience profile.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceSection {
    /// Its name, and that of the token file in a sandbox's directory. Required.
    pub name: ProfileName,
    /// The exact value of `aud`. Required.
    pub value: Audience,
    /// How the subject is written: `sandbox`, `app`, `spiffe_sandbox` or `spiffe_app`. Default: `app`,
    /// which stays the same across deploys.
    #[serde(default = "default_subject")]
    pub subject: SubjectForm,
    /// Lifetime where none is asked for. Default: that of `[tokens]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<Span>,
    /// Longest lifetime. Default: that of `[tokens]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_lifetime: Option<Span>,
}

fn default_subject() -> SubjectForm {
    SubjectForm::App
}
