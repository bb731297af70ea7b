//! A finding: what a rule has to say.

use serde::{Serialize, Serializer};

use super::check::Check;

/// How bad it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Could not be looked at, for the reason given.
    Skipped,
    /// Works with some relying parties, or for now.
    Warning,
    /// Relying parties refuse tokens.
    Failure,
}

impl Severity {
    /// The severity as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The issuer's URL.
    Issuer,
    /// Its host: name, addresses, certificates, clock.
    Host,
    /// The discovery document.
    Discovery,
    /// The key set.
    KeySet,
    /// What the coordinator says, held against what is public.
    Coordinator,
}

impl Part {
    /// The part in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Host => "host",
            Self::Discovery => "discovery",
            Self::KeySet => "key set",
            Self::Coordinator => "coordinator",
        }
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule. Its id is a contract.
    #[serde(serialize_with = "id")]
    pub id: Check,
    /// What it is about.
    pub part: Part,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub found: String,
    /// Why it matters, where it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn ok(id: Check, part: Part, found: impl Into<String>) -> Self {
        let (why, advice) = (None, None);
        Self { id, part, severity: Severity::Ok, found: found.into(), why, advice }
    }

    /// It could not be looked at, because of this.
    pub(super) fn skipped(id: Check, part: Part, because: impl Into<String>) -> Self {
        Self { severity: Severity::Skipped, ..Self::ok(id, part, because) }
    }

    /// Works with some, or for now.
    pub(super) fn warning(id: Check, part: Part, found: impl Into<String>) -> Self {
        Self::bad(id, part, Severity::Warning, found)
    }

    /// Relying parties refuse tokens.
    pub(super) fn failure(id: Check, part: Part, found: impl Into<String>) -> Self {
        Self::bad(id, part, Severity::Failure, found)
    }

    /// With the check's own reason and advice.
    pub(super) fn bad(id: Check, part: Part, severity: Severity, found: impl Into<String>) -> Self {
        let (why, advice) = (Some(id.why().to_owned()), Some(id.advice().to_owned()));
        Self { id, part, severity, found: found.into(), why, advice }
    }

    /// With other advice than the check's own.
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

/// The worst of them; none is as it should be.
#[must_use]
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn id<S: Serializer>(id: &Check, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_why_and_what_to_do_unless_all_is_well() {
        let bad = Finding::failure(Check::Port, Part::Issuer, "8443");
        assert_eq!(bad.why.as_deref(), Some(Check::Port.why()));
        let written = serde_json::to_value(bad.advise("do this")).unwrap();
        let expected = serde_json::json!({
            "id": "port", "part": "issuer", "severity": "failure", "found": "8443",
            "why": Check::Port.why(), "advice": "do this",
        });
        assert_eq!(written, expected);
        let good = serde_json::to_value(Finding::ok(Check::Port, Part::KeySet, "none")).unwrap();
        assert_eq!(good.as_object().unwrap().len(), 4);
        assert_eq!(good["part"], "key_set");
    }

    #[test]
    fn the_worst_counts() {
        let ok = Finding::ok(Check::Port, Part::Issuer, "");
        let warning = Finding::warning(Check::Port, Part::Issuer, "");
        let failure = Finding::failure(Check::Port, Part::Issuer, "");
        let skipped = Finding::skipped(Check::Port, Part::Issuer, "");
        assert_eq!(worst(&[]), Severity::Ok);
        assert_eq!(worst(&[skipped.clone(), ok.clone()]), Severity::Skipped);
        assert_eq!(worst(&[warning.clone(), skipped]), Severity::Warning);
        assert_eq!(worst(&[ok, failure, warning]), Severity::Failure);
    }
}
