//! What a running coordinator says, held against what is public.

use crate::doctor::finding::Finding;
use crate::doctor::inside::Inside;
use crate::doctor::observation::Observation;
use crate::doctor::rules::{published, subject, token};

pub(in crate::doctor) fn coordinator(seen: &Observation, inside: &Inside) -> Vec<Finding> {
    let mut findings = published::keys(&seen.key_set, &inside.keys);
    findings.push(subject::lengths(&inside.subjects));
    findings.push(token::own(&seen.key_set, inside));
    findings
}
