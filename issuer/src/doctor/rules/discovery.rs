//! The discovery document (OpenID Connect Discovery 1.0 section 3), by what AWS asks of it.

use serde_json::{Map, Value};

use crate::doctor::address::{IssuerAddress, host_of};
use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::observation::Observation;
use crate::doctor::rules::{answer, cache};

/// What AWS's own documents list.
const CLAIMS: [&str; 4] = ["iss", "sub", "aud", "iat"];

pub(in crate::doctor) fn discovery(seen: &Observation) -> Vec<Finding> {
    let mut findings = answer::answer(&seen.discovery, Part::Discovery, &seen.limits);
    findings.push(cache::discovery(&seen.discovery));
    match seen.discovery.object() {
        Some(object) => findings.extend(members(&object, &seen.issuer)),
        None => findings.extend(
            [
                Check::Issuer,
                Check::JwksUri,
                Check::JwksHost,
                Check::ResponseTypes,
                Check::SubjectTypes,
                Check::Algorithms,
                Check::Claims,
            ]
            .map(|id| Finding::skipped(id, Part::Discovery, "there is no document to read")),
        ),
    }
    findings
}

fn members(object: &Map<String, Value>, issuer: &IssuerAddress) -> Vec<Finding> {
    let mut findings = vec![same_issuer(object, issuer)];
    findings.extend(key_set(object, issuer));
    findings.push(lists(object, Check::ResponseTypes, "response_types_supported", &["id_token"]));
    findings.push(lists(object, Check::SubjectTypes, "subject_types_supported", &["public"]));
    findings.push(algorithms(object));
    findings.push(lists(object, Check::Claims, "claims_supported", &CLAIMS));
    findings
}

fn same_issuer(object: &Map<String, Value>, issuer: &IssuerAddress) -> Finding {
    let (id, part, asked) = (Check::Issuer, Part::Discovery, issuer.as_str());
    let Some(named) = object.get("issuer").and_then(Value::as_str) else {
        return Finding::failure(id, part, "it names no issuer");
    };
    if named == asked {
        return Finding::ok(id, part, format!("it names {named}"));
    }
    let differs = if named.trim_end_matches('/') == asked.trim_end_matches('/') {
        ", which differs by a slash at the end"
    } else if named.eq_ignore_ascii_case(asked) {
        ", which differs by case"
    } else if named.split_once("://").map(|it| it.1) == asked.split_once("://").map(|it| it.1) {
        ", which differs by http and https"
    } else {
        ""
    };
    Finding::failure(id, part, format!("it names {named} and not {asked}{differs}"))
}

fn key_set(object: &Map<String, Value>, issuer: &IssuerAddress) -> [Finding; 2] {
    let (uri, host, part) = (Check::JwksUri, Check::JwksHost, Part::Discovery);
    let skipped = || Finding::skipped(host, part, "the key set's host is not known");
    let Some(named) = object.get("jwks_uri").and_then(Value::as_str) else {
        return [Finding::failure(uri, part, "it has no jwks_uri"), skipped()];
    };
    let Some(named_host) = host_of(named) else {
        return [Finding::failure(uri, part, format!("{named} is no URL")), skipped()];
    };
    let at_host = if named_host == issuer.host() {
        Finding::ok(host, part, "the key set is on the issuer's host")
    } else {
        Finding::warning(host, part, format!("the key set is on {named_host}"))
    };
    let at = if named.starts_with("https://") {
        Finding::ok(uri, part, named)
    } else {
        Finding::failure(uri, part, format!("{named} is not https"))
    };
    [at, at_host]
}

fn texts<'a>(object: &'a Map<String, Value>, member: &str) -> Option<Vec<&'a str>> {
    object.get(member)?.as_array()?.iter().map(Value::as_str).collect()
}

/// Whether a member is a list of texts that has all of these.
fn lists(object: &Map<String, Value>, id: Check, member: &str, needed: &[&str]) -> Finding {
    let part = Part::Discovery;
    let Some(listed) = texts(object, member) else {
        return Finding::failure(id, part, format!("{member} is not there, or no list of texts"));
    };
    let lacks: Vec<_> = needed.iter().filter(|name| !listed.contains(name)).copied().collect();
    if lacks.is_empty() {
        Finding::ok(id, part, format!("{member} has {}", needed.join(", ")))
    } else {
        Finding::failure(id, part, format!("{member} lacks {}", lacks.join(", ")))
    }
}

fn algorithms(object: &Map<String, Value>) -> Finding {
    let (id, member) = (Check::Algorithms, "id_token_signing_alg_values_supported");
    let listed = texts(object, member).unwrap_or_default();
    if listed.iter().any(|name| name.eq_ignore_ascii_case("none")) {
        return Finding::failure(id, Part::Discovery, format!("{member} has none"));
    }
    lists(object, id, member, &["RS256"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::finding::Severity;
    use crate::doctor::samples::{ISSUER, discovery_object, severities};

    /// The failures and warnings of the good document with this member set, or taken out.
    fn bad(member: &str, value: Option<Value>) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut object = discovery_object();
        match value {
            Some(value) => drop(object.insert(member.to_owned(), value)),
            None => drop(object.remove(member)),
        }
        let found = members(&object, &IssuerAddress::parse(ISSUER).unwrap());
        assert_eq!(found.len(), 7);
        (severities(&found, Severity::Failure), severities(&found, Severity::Warning))
    }

    fn failure(id: &'static str) -> (Vec<&'static str>, Vec<&'static str>) {
        (vec![id], Vec::new())
    }

    #[test]
    fn the_good_document_is_good() {
        assert_eq!(bad("more", Some(json!(1))), (Vec::new(), Vec::new()));
    }

    #[test]
    fn the_issuer_is_the_same_byte_for_byte() {
        for other in
            ["https://id.example.com/", "https://ID.example.com", "http://id.example.com", ""]
        {
            assert_eq!(bad("issuer", Some(json!(other))), failure("issuer"), "{other}");
        }
        assert_eq!(bad("issuer", None), failure("issuer"));
        let asked = IssuerAddress::parse(ISSUER).unwrap();
        for (named, word) in [
            ("https://id.example.com/", "slash"),
            ("https://Id.example.com", "case"),
            ("http://id.example.com", "http and https"),
        ] {
            let mut object = discovery_object();
            object.insert("issuer".to_owned(), json!(named));
            assert!(same_issuer(&object, &asked).found.contains(word), "{named}");
        }
    }

    #[test]
    fn the_key_set_is_https_and_better_on_the_host() {
        let uri = |uri: &str| bad("jwks_uri", Some(json!(uri)));
        assert_eq!(uri("http://id.example.com/keys"), failure("jwks-uri"));
        assert_eq!(uri("/keys"), failure("jwks-uri"));
        assert_eq!(bad("jwks_uri", None), failure("jwks-uri"));
        assert_eq!(uri("https://cdn.example/keys"), (Vec::new(), vec!["jwks-host"]));
    }

    #[test]
    fn required_lists() {
        for (member, id, wrong) in [
            ("response_types_supported", "response-types", json!(["code"])),
            ("subject_types_supported", "subject-types", json!(["pairwise"])),
            ("id_token_signing_alg_values_supported", "algorithms", json!(["ES256"])),
            ("id_token_signing_alg_values_supported", "algorithms", json!(["RS256", "none"])),
            ("claims_supported", "claims", json!(["iss", "sub", "aud"])),
            ("claims_supported", "claims", json!("iss sub aud iat")),
            ("claims_supported", "claims", json!(["iss", "sub", "aud", "iat", 7])),
        ] {
            assert_eq!(bad(member, Some(wrong)), failure(id), "{member}");
            assert_eq!(bad(member, None), failure(id), "{member}");
        }
    }
}
