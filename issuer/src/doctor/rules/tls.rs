//! Certificates (RFC 5280, RFC 6125): whether the chain holds, and under whose root.

use moneyer_daemon::outbound::Worth;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::observation::Document;

/// What the certificates of a document's server are worth.
pub(super) fn chain(document: &Document, part: Part) -> Vec<Finding> {
    let (chain, root) = (Check::TlsChain, Check::TlsRoot);
    let Some(seen) = &document.chain else {
        let because = "no certificate was seen";
        return vec![Finding::skipped(chain, part, because), Finding::skipped(root, part, because)];
    };
    let (issuer, thumbprint) = (&seen.issuer, &seen.thumbprint);
    let private = || {
        let found = format!("signed by {issuer}, which is not publicly trusted");
        let finding =
            Finding::warning(root, part, format!("{found}; SHA-1 thumbprint {thumbprint}"));
        let advice = format!("{} The thumbprint is {thumbprint}.", root.advice());
        finding.advise(advice)
    };
    match &seen.worth {
        Worth::Public => vec![
            Finding::ok(chain, part, "the certificate is valid"),
            Finding::ok(root, part, format!("publicly trusted, by {issuer}")),
        ],
        Worth::Named => {
            vec![
                Finding::ok(chain, part, "the certificate is valid under the root named"),
                private(),
            ]
        }
        Worth::Nothing(why) => {
            vec![
                Finding::failure(chain, part, format!("the certificate is refused: {why}")),
                private(),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use moneyer_daemon::outbound::PeerChain;

    use super::*;
    use crate::doctor::finding::Severity::{Failure, Ok, Skipped, Warning};
    use crate::doctor::samples::discovery;

    #[test]
    fn a_chain_is_judged_by_its_root() {
        let judged = |worth: Option<Worth>| {
            let chain_of = |worth| PeerChain {
                worth,
                issuer: "CN=Root".to_owned(),
                thumbprint: "ab12".to_owned(),
            };
            let document = Document { chain: worth.map(chain_of), ..discovery() };
            chain(&document, Part::Host)
        };
        let severities = |found: &[Finding]| [found[0].severity, found[1].severity];
        assert_eq!(severities(&judged(Some(Worth::Public))), [Ok, Ok]);
        assert_eq!(severities(&judged(None)), [Skipped, Skipped]);
        let named = judged(Some(Worth::Named));
        assert_eq!(severities(&named), [Ok, Warning]);
        assert!(named[1].advice.as_ref().unwrap().contains("ab12"));
        let refused = judged(Some(Worth::Nothing("it has ended".to_owned())));
        assert_eq!(severities(&refused), [Failure, Warning]);
        assert!(refused[0].found.contains("it has ended"));
    }
}
