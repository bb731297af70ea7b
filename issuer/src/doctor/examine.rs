//! All rules, one after the other.

use super::finding::Finding;
use super::inside::Inside;
use super::observation::Observation;
use super::rules;

/// Judges what was seen, and where a coordinator was asked, whether the public sees what it signs with.
#[must_use]
pub fn examine(seen: &Observation, inside: Option<&Inside>) -> Vec<Finding> {
    let mut findings = rules::issuer(&seen.issuer);
    findings.extend(rules::host(seen));
    findings.extend(rules::discovery(seen));
    findings.extend(rules::key_set(seen, inside));
    if let Some(inside) = inside {
        findings.extend(rules::coordinator(seen, inside));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::doctor::check::Check;
    use crate::doctor::finding::Severity;
    use crate::doctor::observation::{Document, Missing};
    use crate::doctor::samples::{discovery, inside, key_set, observation};

    fn told(findings: &[Finding]) -> BTreeSet<&'static str> {
        findings.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn every_check_is_told_of_whatever_was_seen() {
        let every: BTreeSet<_> = Check::ALL.iter().map(|check| check.as_str()).collect();
        let inside = inside();
        assert_eq!(told(&examine(&observation(), Some(&inside))), every);
        let nothing = |document: Document| Document {
            answer: Err(Missing::NoAnswer("refused".to_owned())),
            ..document
        };
        let dark = Observation {
            addresses: Err("no such name".to_owned()),
            discovery: nothing(discovery()),
            key_set: nothing(key_set()),
            ..observation()
        };
        assert_eq!(told(&examine(&dark, Some(&inside))), every);
    }

    #[test]
    fn a_good_issuer_has_no_failure_with_its_coordinator_or_without() {
        for inside in [None, Some(&inside())] {
            let findings = examine(&observation(), inside);
            let bad = findings.iter().filter(|finding| finding.severity > Severity::Skipped);
            assert_eq!(bad.count(), 0, "{findings:#?}");
        }
    }
}
