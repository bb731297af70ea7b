//! Subjects: the values of `sub`, joined from components.
//!
//! Four forms (the operator chooses one per audience): `sandbox` names the instance, `app` is stable
//! across deploys, `system` names a part of the platform, `spiffe` is a SPIFFE ID. A workload that logged in
//! has a form of its own, so that no reader takes its token for an SVID of its id. Since a component
//! holds neither `:` nor `/`, distinct identities have distinct subjects and no subject is a pattern
//! for another. A subject is always built from records, never from a request.

use std::fmt;
use std::sync::Arc;

use crate::component::{AppName, ClusterId, OrganizationId, SandboxId, SystemWorkloadName};
use crate::spiffe::{SpiffeId, TrustDomain};

/// How the subject of a sandbox's token is written.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SubjectForm {
    /// `org:O:app:A:sandbox:S`.
    #[default]
    Sandbox,
    /// `org:O:app:A`: stable across deploys, for relying parties that match exactly.
    App,
    /// `spiffe://<trust domain>/app/A/sandbox/S`.
    SpiffeSandbox,
    /// `spiffe://<trust domain>/app/A`.
    SpiffeApp,
}

impl SubjectForm {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::App => "app",
            Self::SpiffeSandbox => "spiffe_sandbox",
            Self::SpiffeApp => "spiffe_app",
        }
    }
}

/// Why a text names no subject form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no subject form; use sandbox, app, spiffe_sandbox or spiffe_app")]
pub struct SubjectFormError;

impl std::str::FromStr for SubjectForm {
    type Err = SubjectFormError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sandbox" => Ok(Self::Sandbox),
            "app" => Ok(Self::App),
            "spiffe_sandbox" => Ok(Self::SpiffeSandbox),
            "spiffe_app" => Ok(Self::SpiffeApp),
            _ => Err(SubjectFormError),
        }
    }
}

/// What the subjects of one cluster are joined from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectParts {
    /// Left out of the subject where the cluster has none.
    pub organization: Option<OrganizationId>,
    /// Left out of the subject where the cluster has none.
    pub cluster: Option<ClusterId>,
    /// Of the SPIFFE forms.
    pub trust_domain: TrustDomain,
}

impl SubjectParts {
    /// The subject of a sandbox in the given form.
    #[must_use]
    pub fn sandbox(&self, form: SubjectForm, app: &AppName, sandbox: &SandboxId) -> Subject {
        let prefix = self.organization_prefix();
        let trust_domain = &self.trust_domain;
        Subject::built(match form {
            SubjectForm::Sandbox => format!("{prefix}app:{app}:sandbox:{sandbox}"),
            SubjectForm::App => format!("{prefix}app:{app}"),
            SubjectForm::SpiffeSandbox => {
                format!("spiffe://{trust_domain}/app/{app}/sandbox/{sandbox}")
            }
            SubjectForm::SpiffeApp => format!("spiffe://{trust_domain}/app/{app}"),
        })
    }

    /// The subject of a system workload: `org:O:cluster:C:system:W`.
    #[must_use]
    pub fn system(&self, workload: &SystemWorkloadName) -> Subject {
        let prefix = self.cluster_prefix();
        Subject::built(format!("{prefix}system:{workload}"))
    }

    /// The subject of a workload that logged in: `org:O:cluster:C:workload:` and its SPIFFE ID.
    #[must_use]
    pub fn workload(&self, id: &SpiffeId) -> Subject {
        let prefix = self.cluster_prefix();
        Subject::built(format!("{prefix}workload:{id}"))
    }

    fn cluster_prefix(&self) -> String {
        let organization = self.organization_prefix();
        let cluster = self.cluster.as_ref().map(|c| format!("cluster:{c}:")).unwrap_or_default();
        organization + &cluster
    }

    fn organization_prefix(&self) -> String {
        self.organization.as_ref().map(|o| format!("org:{o}:")).unwrap_or_default()
    }
}

/// A value of `sub`. Made by [`SubjectParts`], of a SPIFFE ID, or of a text that is nobody else's.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Subject(Arc<str>);

impl Subject {
    fn built(text: String) -> Self {
        Self(text.into())
    }

    /// Of a text that its giver knows to be no subject of a sandbox, a system workload or a workload.
    #[must_use]
    pub fn of_context(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The subject of a JWT-SVID (JWT-SVID section 3.1).
impl From<&SpiffeId> for Subject {
    fn from(id: &SpiffeId) -> Self {
        Self(id.as_str().into())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(organization: Option<&str>) -> SubjectParts {
        SubjectParts {
            organization: organization.map(|o| OrganizationId::parse(o).unwrap()),
            cluster: Some(ClusterId::parse("prod-1").unwrap()),
            trust_domain: TrustDomain::parse("id.example.com").unwrap(),
        }
    }

    #[test]
    fn the_four_forms() {
        let app = AppName::parse("web").unwrap();
        let sandbox = SandboxId::parse("web-1").unwrap();
        let parts = parts(Some("acme"));
        for (form, text) in [
            (SubjectForm::Sandbox, "org:acme:app:web:sandbox:web-1"),
            (SubjectForm::App, "org:acme:app:web"),
            (SubjectForm::SpiffeSandbox, "spiffe://id.example.com/app/web/sandbox/web-1"),
            (SubjectForm::SpiffeApp, "spiffe://id.example.com/app/web"),
        ] {
            assert_eq!(parts.sandbox(form, &app, &sandbox).as_str(), text);
        }
        let workload = SystemWorkloadName::parse("telemetry").unwrap();
        assert_eq!(parts.system(&workload).as_str(), "org:acme:cluster:prod-1:system:telemetry");
    }

    #[test]
    fn empty_parts_are_left_out() {
        let app = AppName::parse("web").unwrap();
        let sandbox = SandboxId::parse("s").unwrap();
        assert_eq!(
            parts(None).sandbox(SubjectForm::Sandbox, &app, &sandbox).as_str(),
            "app:web:sandbox:s"
        );
    }

    const COMPONENT: &str = "[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?";

    proptest! {
        // Promise P10: distinct identities have distinct subjects, and none holds a wildcard.
        #[test]
        fn distinct_identities_have_distinct_subjects(
            a in (COMPONENT, COMPONENT), b in (COMPONENT, COMPONENT),
        ) {
            let of = |(app, sandbox): &(String, String)| {
                let (app, sandbox) = (AppName::parse(app).unwrap(), SandboxId::parse(sandbox).unwrap());
                (
                    parts(Some("acme")).sandbox(SubjectForm::Sandbox, &app, &sandbox),
                    parts(Some("acme")).sandbox(SubjectForm::SpiffeSandbox, &app, &sandbox),
                )
            };
            let ((a1, a2), (b1, b2)) = (of(&a), of(&b));
            prop_assert_eq!(a == b, a1 == b1);
            prop_assert_eq!(a == b, a2 == b2);
            prop_assert!(!a1.as_str().contains(['*', '?', ' ']));
        }
    }
}
