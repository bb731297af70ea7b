//! What there is to say of a profile, field by field.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much it matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is no profile.
    Error,
    /// It is one, but not all of it does something here.
    Warning,
}

/// One thing about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The field, as `credentials[0].token_grant.audience`; empty for the whole document.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let field = if self.field.is_empty() { "the document" } else { &self.field };
        write!(f, "{severity}: {field} {}", self.message)
    }
}

/// Everything that was found, in the order of the document as far as it was read so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// What makes it no profile.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// Whether it is a profile.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.errors().next().is_none()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.errors().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            let field = if finding.field.is_empty() { "the document" } else { &finding.field };
            write!(f, "{between}{field} {}", finding.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
