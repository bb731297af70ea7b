//! Participant contexts: whom a token of an exchange speaks for. They become `sub`.
//!
//! A relying party may look at `sub` alone, so a context never has the form of a subject that this coordinator gives
//! to somebody else: a sandbox, a system workload, a workload that logged in, or a SPIFFE ID.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest context in bytes: what OpenID Connect Core section 2 gives `sub`.
const MAXIMUM_CONTEXT_BYTES: usize = 255;

/// How the subjects begin that are given to others.
const OTHERS: [&str; 6] = ["org:", "app:", "cluster:", "system:", "workload:", "spiffe:"];

/// Why a text is no participant context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParticipantContextError {
    /// Empty, or longer than a subject may be.
    #[error("a participant context has 1 to {MAXIMUM_CONTEXT_BYTES} characters")]
    Length,
    /// A blank, a control character or one outside ASCII.
    #[error("a participant context is of visible ASCII characters")]
    Alphabet,
    /// It would be taken for somebody else.
    #[error(
        "a participant context does not begin with org:, app:, cluster:, system:, workload: or spiffe:, in whatever \
         case: it would be taken for a subject of this cluster"
    )]
    Reserved,
}

/// A participant context.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParticipantContext(Arc<str>);

impl ParticipantContext {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, ParticipantContextError> {
        if text.is_empty() || text.len() > MAXIMUM_CONTEXT_BYTES {
            return Err(ParticipantContextError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ParticipantContextError::Alphabet);
        }
        let lower = text.to_ascii_lowercase();
        if OTHERS.iter().any(|prefix| lower.starts_with(prefix)) {
            return Err(ParticipantContextError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParticipantContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ParticipantContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParticipantContext({})", self.0)
    }
}

impl std::str::FromStr for ParticipantContext {
    type Err = ParticipantContextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ParticipantContext {
    type Error = ParticipantContextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ParticipantContext> for String {
    fn from(context: ParticipantContext) -> Self {
        context.0.as_ref().to_owned()
    }
}

impl schemars::JsonSchema for ParticipantContext {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ParticipantContext".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Whom a token speaks for. Never in the form of a subject of the cluster.",
            "pattern": "^[!-~]{1,255}$",
            "not": { "pattern": "^([Oo][Rr][Gg]|[Aa][Pp][Pp]|[Cc][Ll][Uu][Ss][Tt][Ee][Rr]|[Ss][Yy][Ss][Tt][Ee][Mm]|\
                                 [Ww][Oo][Rr][Kk][Ll][Oo][Aa][Dd]|[Ss][Pp][Ii][Ff][Ff][Ee]):" }
        })
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
    use moneyer_identity::{
        AppName, ClusterId, OrganizationId, SandboxId, SubjectForm, SubjectParts,
        SystemWorkloadName,
    };

    use super::*;

    #[test]
    fn no_context_is_a_subject_of_somebody_else() {
        let (app, sandbox) = (AppName::parse("web").unwrap(), SandboxId::parse("web-1").unwrap());
        let workload = SystemWorkloadName::parse("telemetry").unwrap();
        let id = SpiffeId::parse("spiffe://other.example/x").unwrap();
        let forms = [
            SubjectForm::Sandbox,
            SubjectForm::App,
            SubjectForm::SpiffeSandbox,
            SubjectForm::SpiffeApp,
        ];
        for organization in [None, Some(OrganizationId::parse("acme").unwrap())] {
            for cluster in [None, Some(ClusterId::parse("prod-1").unwrap())] {
                let trust_domain = TrustDomain::parse("id.example.com").unwrap();
                let parts =
                    SubjectParts { organization: organization.clone(), cluster, trust_domain };
                let mut given: Vec<_> =
                    forms.map(|form| parts.sandbox(form, &app, &sandbox)).to_vec();
                given.extend([parts.system(&workload), parts.workload(&id)]);
                for subject in given {
                    let refused = ParticipantContext::parse(subject.as_str());
                    assert_eq!(refused, Err(ParticipantContextError::Reserved), "{subject}");
                }
            }
        }
    }

    #[test]
    fn any_other_visible_text_is_a_context() {
        for good in ["pc1", "did:web:acme.example", "https://acme.example/x", "organization", "app"]
        {
            assert!(ParticipantContext::parse(good).is_ok(), "{good}");
        }
        assert_eq!(ParticipantContext::parse(""), Err(ParticipantContextError::Length));
        assert_eq!(ParticipantContext::parse("a b"), Err(ParticipantContextError::Alphabet));
        assert_eq!(
            ParticipantContext::parse("SPIFFE://x/y"),
            Err(ParticipantContextError::Reserved)
        );
        let longest = "x".repeat(MAXIMUM_CONTEXT_BYTES);
        assert!(ParticipantContext::parse(&longest).is_ok());
        assert!(ParticipantContext::parse(&format!("{longest}x")).is_err());
    }
}
