//! The key set (RFC 7517 section 5) as a whole: how it is answered and cached, how many keys it has.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::doctor::address::host_of;
use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::inside::Inside;
use crate::doctor::observation::{Document, Observation};
use crate::doctor::rules::{answer, cache, jwk, tls};

/// What AWS takes of a type of key.
const OF_A_TYPE: usize = 100;

/// What the most modest verifiers look at.
const MODEST: usize = 10;

pub(in crate::doctor) fn key_set(seen: &Observation, inside: Option<&Inside>) -> Vec<Finding> {
    let document = &seen.key_set;
    let mut findings = answer::answer(document, Part::KeySet, &seen.limits);
    if host_of(&document.url).is_some_and(|host| host != seen.issuer.host()) {
        findings.extend(tls::chain(document, Part::KeySet));
    }
    findings.push(cache::key_set(document, inside));
    findings.extend(keys_of(document));
    findings
}

fn keys_of(document: &Document) -> Vec<Finding> {
    let part = Part::KeySet;
    let Some(object) = document.object() else {
        let all = jwk::CHECKS.iter().chain(&[Check::KeyCount]);
        return all.map(|&id| Finding::skipped(id, part, "there is no key set to read")).collect();
    };
    let Some(Value::Array(keys)) = object.get("keys") else {
        let all = jwk::CHECKS.iter();
        let skipped = all.map(|&id| Finding::skipped(id, part, "there is no list of keys"));
        let none = Finding::failure(Check::KeyCount, part, "it has no list `keys`");
        return std::iter::once(none).chain(skipped).collect();
    };
    let mut findings = vec![count(keys)];
    findings.extend(jwk::keys(keys));
    findings
}

fn count(keys: &[Value]) -> Finding {
    let (id, part) = (Check::KeyCount, Part::KeySet);
    let mut types = BTreeMap::<_, usize>::new();
    for key in keys {
        *types.entry(key.get("kty").and_then(Value::as_str).unwrap_or("?")).or_default() += 1;
    }
    let found = types.iter().map(|(kty, count)| format!("{count} of type {kty}"));
    let found = found.collect::<Vec<_>>().join(", ");
    if keys.is_empty() {
        Finding::failure(id, part, "it has no keys")
    } else if types.values().any(|&count| count > OF_A_TYPE) {
        Finding::failure(id, part, found)
    } else if keys.len() > MODEST {
        Finding::warning(id, part, found)
    } else {
        Finding::ok(id, part, found)
    }
}

/// The `kid`s of a key set, if it is one.
pub(super) fn key_ids(document: &Document) -> Option<Vec<String>> {
    let object = document.object()?;
    let keys = object.get("keys")?.as_array()?;
    let named = keys.iter().filter_map(|key| Some(key.get("kid")?.as_str()?.to_owned()));
    Some(named.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::finding::Severity::{self, Failure, Ok, Skipped, Warning};
    use crate::doctor::samples::{key_set as sample, observation, with_body};

    fn counted(types: &[(&str, usize)]) -> Severity {
        let of = |&(kty, count): &(&str, usize)| vec![json!({ "kty": kty }); count];
        count(&types.iter().flat_map(of).collect::<Vec<_>>()).severity
    }

    #[test]
    fn ten_keys_are_plenty_and_a_hundred_of_a_type_the_end() {
        assert_eq!(counted(&[]), Failure);
        assert_eq!(counted(&[("RSA", 1)]), Ok);
        assert_eq!(counted(&[("RSA", 5), ("EC", 5)]), Ok);
        assert_eq!(counted(&[("RSA", 6), ("EC", 5)]), Warning);
        assert_eq!(counted(&[("RSA", 100), ("EC", 100)]), Warning);
        assert_eq!(counted(&[("RSA", 101)]), Failure);
    }

    #[test]
    fn what_is_no_key_set_has_no_keys() {
        let found = keys_of(&with_body(sample(), b"{}"));
        assert_eq!(found[0].severity, Failure);
        assert!(found[1..].iter().all(|finding| finding.severity == Skipped));
        let found = keys_of(&with_body(sample(), b"[]"));
        assert!(found.iter().all(|finding| finding.severity == Skipped));
        assert!(keys_of(&sample()).iter().all(|finding| finding.severity == Ok));
        assert_eq!(key_ids(&sample()).unwrap().len(), 1);
    }

    #[test]
    fn another_host_has_certificates_of_its_own() {
        let elsewhere = |url: &str| {
            let key_set = Document { url: url.to_owned(), ..sample() };
            let found = super::key_set(&Observation { key_set, ..observation() }, None);
            found.iter().filter(|finding| finding.id == Check::TlsChain).count()
        };
        assert_eq!(elsewhere("https://ID.example.com/keys"), 0);
        assert_eq!(elsewhere("https://cdn.example/keys"), 1);
    }
}
