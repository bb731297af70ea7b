//! What a configuration is printed from.

use clap::ValueEnum;
use moneyer_authority::audiences::AwsExtras;
use moneyer_identity::{AppName, Audience, CloudAccounts, IssuerUrl, SandboxId, SubjectForm};

/// In what form a configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Commands of the relying party's own tool, or the statements or file it reads.
    Commands,
    /// Terraform.
    Terraform,
    /// The trust policy alone, as JSON (AWS).
    Policy,
}

/// Whose tokens are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// Those with this subject.
    Subject(String),
    /// Those whose subject is this with any one id in place of `*`: no component holds a `:` or `/`.
    AnySandbox(String),
}

/// What stands in place of a sandbox's id.
const ANY: &str = "SANDBOX";

impl Trusted {
    /// From the subject of an app's tokens in this form. Where the form names the sandbox, `SANDBOX` stands
    /// for its id; elsewhere it is a part of a name.
    pub(crate) fn new(form: SubjectForm, shown: &str, sandbox: Option<&SandboxId>) -> Self {
        let names_it = matches!(form, SubjectForm::Sandbox | SubjectForm::SpiffeSandbox);
        match (shown.strip_suffix(ANY).filter(|_| names_it), sandbox) {
            (None, _) => Self::Subject(shown.to_owned()),
            (Some(prefix), Some(sandbox)) => Self::Subject(format!("{prefix}{sandbox}")),
            (Some(prefix), None) => Self::AnySandbox(format!("{prefix}*")),
        }
    }
}

/// What a configuration is printed from.
#[derive(Debug, Clone)]
pub(crate) struct TrustFacts {
    /// The value of `iss`.
    pub(crate) issuer: IssuerUrl,
    /// The value of `aud`.
    pub(crate) audience: Audience,
    /// Whose tokens are trusted.
    pub(crate) trusted: Trusted,
    /// The app they are of.
    pub(crate) app: AppName,
    /// Who its sandboxes are at the clouds.
    pub(crate) accounts: CloudAccounts,
    /// What its tokens say to AWS.
    pub(crate) aws: AwsExtras,
    /// The SHA-1 of the certificate over the first key, where keys are published with one (`keys.x5c`).
    pub(crate) key_certificate: Option<String>,
}

impl TrustFacts {
    /// The subject, for a relying party that compares it whole.
    pub(super) fn exact_subject(&self) -> Result<&str, TrustError> {
        match &self.trusted {
            Trusted::Subject(subject) => Ok(subject),
            Trusted::AnySandbox(pattern) => Err(TrustError::Pattern(pattern.clone())),
        }
    }
}

/// Why no configuration is printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TrustError {
    /// The relying party compares subjects whole.
    #[error(
        "this relying party compares subjects whole, and {0} names every sandbox anew; give its audience \
         profile the subject form app (`moneyer audience put … --subject app`), or name one sandbox with \
         --sandbox"
    )]
    Pattern(String),
    /// Not in this form.
    #[error("there is no such form for this relying party; use --form {0}")]
    Form(&'static str),
    /// The audience names no provider.
    #[error(
        "the audience {0} is not the name of a provider; give the audience profile the value \
         //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
    )]
    Provider(Audience),
    /// The identity is not known.
    #[error(
        "a federated credential of Azure is of an identity: put the app with --azure-client-id"
    )]
    Identity,
}
