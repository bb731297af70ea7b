//! The findings, for people and for programs.

use moneyer_daemon::output::table;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::doctor::{Finding, IssuerAddress, Severity, worst};

/// All that was found at an issuer.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    issuer: String,
    /// The worst severity among them.
    verdict: Severity,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(issuer: &IssuerAddress, findings: Vec<Finding>) -> Self {
        Self { issuer: issuer.to_string(), verdict: worst(&findings), findings }
    }

    /// Failures first, each with what to do, then warnings; below them a line for each reason to skip
    /// something, and for each thing that is well.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.issuer, self.counts());
        let bad = [Severity::Failure, Severity::Warning].into_iter();
        text.extend(bad.flat_map(|severity| self.of(severity)).map(paragraph));
        let ok: Vec<_> = self.of(Severity::Ok).map(row).collect();
        for rows in [self.skipped(), ok].iter().filter(|rows| !rows.is_empty()) {
            text.push('\n');
            text.push_str(&table(rows));
        }
        text
    }

    /// Fails where anything does.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match self.verdict {
            Severity::Failure => {
                let (issuer, failures) = (&self.issuer, self.count(Severity::Failure));
                Err(Failure::unsound(format!("relying parties refuse {issuer}: {failures}")))
            }
            Severity::Ok | Severity::Skipped | Severity::Warning => Ok(()),
        }
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// What was skipped, together where one reason is behind it.
    fn skipped(&self) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for finding in self.of(Severity::Skipped) {
            let [word, part, id, found] = cells(finding);
            match rows.last_mut().map(Vec::as_mut_slice) {
                Some([_, last, reason, ids]) if *last == part && *reason == found => {
                    ids.push_str(", ");
                    ids.push_str(&id);
                }
                _ => rows.push(vec![word, part, found, id]),
            }
        }
        rows
    }

    fn counts(&self) -> String {
        [Severity::Failure, Severity::Warning, Severity::Skipped, Severity::Ok]
            .map(|severity| self.count(severity))
            .join(", ")
    }

    fn count(&self, severity: Severity) -> String {
        let counted = |one: &str, more: &str| match self.of(severity).count() {
            1 => format!("1 {one}"),
            count => format!("{count} {more}"),
        };
        match severity {
            Severity::Failure => counted("failure", "failures"),
            Severity::Warning => counted("warning", "warnings"),
            Severity::Skipped | Severity::Ok => counted(severity.as_str(), severity.as_str()),
        }
    }
}

fn paragraph(finding: &Finding) -> String {
    let word = finding.severity.as_str().to_ascii_uppercase();
    let (id, part) = (finding.id.as_str(), finding.part.as_str());
    let why = finding.why.as_deref().unwrap_or_default();
    let advice = finding.advice.as_deref().unwrap_or_default();
    let found = &finding.found;
    format!("\n{word}  {id}  ({part})\n  found  {found}\n  why    {why}\n  do     {advice}\n")
}

fn cells(finding: &Finding) -> [String; 4] {
    let severity = finding.severity.as_str();
    [severity, finding.part.as_str(), finding.id.as_str(), &finding.found].map(str::to_owned)
}

fn row(finding: &Finding) -> Vec<String> {
    cells(finding).to_vec()
}
