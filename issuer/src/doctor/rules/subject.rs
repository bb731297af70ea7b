//! Subjects of the registered apps, by their length in bytes.

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::inside::SubjectLengths;
use crate::doctor::rules::words::list;

/// What relying parties take, the strictest first.
const TAKEN: [(usize, &str); 3] = [(127, "Google Cloud"), (255, "Snowflake"), (600, "Azure")];

pub(super) fn lengths(apps: &[SubjectLengths]) -> Finding {
    let (id, part) = (Check::SubjectLength, Part::Coordinator);
    let mut long = Vec::new();
    let mut longest = 0;
    for app in apps {
        for (form, subject) in &app.longest {
            let bytes = subject.as_str().len();
            longest = longest.max(bytes);
            let refuse = TAKEN.iter().filter(|(taken, _)| bytes > *taken).map(|(_, who)| *who);
            let refuse = refuse.collect::<Vec<_>>().join(", ");
            if !refuse.is_empty() {
                let (app, form) = (&app.app, form.as_str());
                long.push(format!(
                    "{app} in the form {form}: {bytes} bytes, too long for {refuse}"
                ));
            }
        }
    }
    match (apps.is_empty(), long.is_empty()) {
        (true, _) => Finding::skipped(id, part, "no app is registered"),
        (_, true) => Finding::ok(id, part, format!("the longest has {longest} bytes")),
        _ => Finding::warning(id, part, list(&long)),
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::spiffe::TrustDomain;
    use moneyer_identity::{AppName, SandboxId, SubjectForm, SubjectParts};

    use super::*;
    use crate::doctor::finding::Severity;

    /// An app whose subject in the form `spiffe_app` has this many bytes.
    fn app(bytes: usize) -> SubjectLengths {
        let fixed = "spiffe:///app/a".len();
        let trust_domain = TrustDomain::parse(&"t".repeat(bytes - fixed)).unwrap();
        let parts = SubjectParts { organization: None, cluster: None, trust_domain };
        let (app, sandbox) = (AppName::parse("a").unwrap(), SandboxId::parse("s").unwrap());
        let subject = parts.sandbox(SubjectForm::SpiffeApp, &app, &sandbox);
        assert_eq!(subject.as_str().len(), bytes);
        SubjectLengths { app, longest: vec![(SubjectForm::SpiffeApp, subject)] }
    }

    #[test]
    fn each_relying_party_has_its_own_limit() {
        assert_eq!(lengths(&[]).severity, Severity::Skipped);
        assert_eq!(lengths(&[app(127)]).severity, Severity::Ok);
        for (bytes, refuse) in
            [(128, "Google Cloud"), (255, "Google Cloud"), (256, "Google Cloud, Snowflake")]
        {
            let found = lengths(&[app(20), app(bytes)]);
            assert_eq!(found.severity, Severity::Warning);
            let expected =
                format!("a in the form spiffe_app: {bytes} bytes, too long for {refuse}");
            assert_eq!(found.found, expected);
        }
    }
}
