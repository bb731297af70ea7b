//! Every key of the set (RFC 7517 section 4, RFC 7518 section 6) against the strict profile: the members
//! and values that AWS, Google Cloud and Azure all take, and no others.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part, Severity};
use crate::doctor::rules::words::list;

/// What every cloud asks of RSA.
const BITS: usize = 2048;

/// What may stand in a key. `x5c` is for older verifiers; AWS takes it where it agrees.
const MEMBERS: [&str; 10] = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y", "x5c"];

/// What only a private or a symmetric key has (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What is looked at in every key.
pub(super) const CHECKS: [Check; 7] = [
    Check::KeyId,
    Check::KeyMembers,
    Check::KeyOps,
    Check::KeyUse,
    Check::KeyAlgorithm,
    Check::KeySize,
    Check::PrivateKey,
];

/// What is wrong with one key, in words; `None`: nothing.
type Rule = fn(&Value) -> Option<(Severity, String)>;

pub(super) fn keys(keys: &[Value]) -> Vec<Finding> {
    let mut findings = vec![ids(keys)];
    for (id, rule, right) in [
        (Check::KeyMembers, members as Rule, "every key has the usual members only"),
        (Check::KeyOps, operations, "no key has key_ops"),
        (Check::KeyUse, usage, "every key is for signatures"),
        (Check::KeyAlgorithm, algorithm, "every key is for RS256 or ES256"),
        (Check::KeySize, size, "every RSA key has 2048 bits or more"),
        (Check::PrivateKey, private, "no key has private members"),
    ] {
        let wrong: Vec<_> = keys
            .iter()
            .enumerate()
            .filter_map(|(at, key)| {
                let (severity, what) = rule(key)?;
                Some((severity, format!("{}: {what}", name(at, key))))
            })
            .collect();
        let worst = wrong.iter().map(|(severity, _)| *severity).max();
        let texts: Vec<_> = wrong.into_iter().map(|(_, text)| text).collect();
        findings.push(match worst {
            None => Finding::ok(id, Part::KeySet, right),
            Some(severity) => Finding::bad(id, Part::KeySet, severity, list(&texts)),
        });
    }
    findings
}

/// A key by its `kid`, or by its place.
fn name(at: usize, key: &Value) -> String {
    let kid = key.get("kid").and_then(Value::as_str);
    kid.map_or_else(|| format!("key {}", at + 1), str::to_owned)
}

fn ids(keys: &[Value]) -> Finding {
    let mut known = HashSet::new();
    let mut wrong = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        match key.get("kid").and_then(Value::as_str) {
            None | Some("") => wrong.push(format!("key {} has no kid", at + 1)),
            Some(kid) if !known.insert(kid) => wrong.push(format!("{kid} stands twice")),
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        Finding::ok(Check::KeyId, Part::KeySet, "every key has a kid of its own")
    } else {
        Finding::failure(Check::KeyId, Part::KeySet, list(&wrong))
    }
}

fn members(key: &Value) -> Option<(Severity, String)> {
    let Some(object) = key.as_object() else {
        return Some((Severity::Failure, "no JSON object".to_owned()));
    };
    // Those have rules of their own.
    let known =
        |name: &str| MEMBERS.contains(&name) || PRIVATE.contains(&name) || name == "key_ops";
    let more: Vec<_> = object.keys().map(String::as_str).filter(|name| !known(name)).collect();
    (!more.is_empty()).then(|| (Severity::Warning, format!("has {}", more.join(", "))))
}

fn operations(key: &Value) -> Option<(Severity, String)> {
    key.get("key_ops").map(|_| (Severity::Failure, "has key_ops".to_owned()))
}

fn usage(key: &Value) -> Option<(Severity, String)> {
    match key.get("use").and_then(Value::as_str) {
        Some("sig") => None,
        Some(other) => Some((Severity::Failure, format!("has use {other}"))),
        None => Some((Severity::Warning, "has no use".to_owned())),
    }
}

fn algorithm(key: &Value) -> Option<(Severity, String)> {
    let text = |name| key.get(name).and_then(Value::as_str);
    match (text("kty"), text("crv"), text("alg")) {
        (Some("RSA"), None, Some("RS256")) | (Some("EC"), Some("P-256"), Some("ES256")) => None,
        (Some("OKP"), ..) => {
            Some((Severity::Warning, format!("is for {}", text("alg").unwrap_or("EdDSA"))))
        }
        (Some("RSA" | "EC"), _, None) => Some((Severity::Warning, "has no alg".to_owned())),
        (Some("RSA"), None, Some(alg @ ("RS384" | "RS512")))
        | (Some("EC"), Some("P-384"), Some(alg @ "ES384"))
        | (Some("EC"), Some("P-521"), Some(alg @ "ES512")) => {
            Some((Severity::Warning, format!("is for {alg}, which of the clouds AWS alone takes")))
        }
        (Some(kty), crv, alg) => {
            let parts = [Some(kty), crv, alg];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            Some((Severity::Failure, format!("is of the kind {}", parts.join(" "))))
        }
        (None, ..) => Some((Severity::Failure, "has no kty".to_owned())),
    }
}

fn size(key: &Value) -> Option<(Severity, String)> {
    if key.get("kty").and_then(Value::as_str) != Some("RSA") {
        return None;
    }
    let modulus = key.get("n").and_then(Value::as_str).and_then(|n| URL_SAFE_NO_PAD.decode(n).ok());
    let Some(modulus) = modulus else {
        return Some((Severity::Failure, "has no modulus that can be read".to_owned()));
    };
    let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
    let digits = modulus.get(zeros..).unwrap_or_default();
    let unused = digits.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = digits.len() * 8 - unused;
    (bits < BITS).then(|| (Severity::Failure, format!("has {bits} bits")))
}

fn private(key: &Value) -> Option<(Severity, String)> {
    let has = PRIVATE.iter().any(|name| key.get(name).is_some());
    has.then(|| (Severity::Failure, "is a private or symmetric key".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::samples::{key, severities};

    /// The failures and warnings of the good key with this member set, or taken out.
    fn bad(member: &str, value: Option<Value>) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut key = key();
        match value {
            Some(value) => drop(key.as_object_mut().unwrap().insert(member.to_owned(), value)),
            None => drop(key.as_object_mut().unwrap().remove(member)),
        }
        judged(&[key])
    }

    fn judged(list: &[Value]) -> (Vec<&'static str>, Vec<&'static str>) {
        let found = keys(list);
        let told: Vec<_> = found.iter().map(|finding| finding.id).collect();
        assert_eq!(told, CHECKS);
        (severities(&found, Severity::Failure), severities(&found, Severity::Warning))
    }

    fn failure(id: &'static str) -> (Vec<&'static str>, Vec<&'static str>) {
        (vec![id], Vec::new())
    }

    fn warning(id: &'static str) -> (Vec<&'static str>, Vec<&'static str>) {
        (Vec::new(), vec![id])
    }

    #[test]
    fn the_good_key_is_good() {
        assert_eq!(bad("x5c", Some(json!(["AA"]))), (Vec::new(), Vec::new()));
        let ec = json!({
            "kty": "EC", "use": "sig", "alg": "ES256", "kid": "e", "crv": "P-256", "x": "AA", "y": "AA",
        });
        assert_eq!(judged(&[key(), ec]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn every_key_has_an_id_of_its_own() {
        assert_eq!(bad("kid", None), failure("key-id"));
        assert_eq!(bad("kid", Some(json!(""))), failure("key-id"));
        assert_eq!(bad("kid", Some(json!(7))), failure("key-id"));
        assert_eq!(judged(&[key(), key()]), failure("key-id"));
    }

    #[test]
    fn members_beyond_the_profile() {
        assert_eq!(bad("x5t", Some(json!("AA"))), warning("key-members"));
        assert_eq!(bad("key_ops", Some(json!(["verify"]))), failure("key-ops"));
        for member in PRIVATE {
            assert_eq!(bad(member, Some(json!("AQAB"))), failure("private-key"), "{member}");
        }
    }

    #[test]
    fn a_key_is_for_signatures_of_a_kind_that_clouds_take() {
        assert_eq!(bad("use", Some(json!("enc"))), failure("key-use"));
        assert_eq!(bad("use", None), warning("key-use"));
        for alg in ["PS256", "HS256", "ES256", "none"] {
            assert_eq!(bad("alg", Some(json!(alg))), failure("key-algorithm"), "{alg}");
        }
        for alg in ["RS384", "RS512"] {
            assert_eq!(bad("alg", Some(json!(alg))), warning("key-algorithm"), "{alg}");
        }
        assert_eq!(bad("alg", None), warning("key-algorithm"));
        assert_eq!(bad("crv", Some(json!("P-256"))), failure("key-algorithm"));
        assert_eq!(
            judged(&[json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "o", "x": "AA",
            })]),
            warning("key-algorithm")
        );
    }

    #[test]
    fn rsa_begins_at_2048_bits() {
        let modulus = |bits: usize| {
            let mut bytes = vec![0xff; bits.div_ceil(8)];
            bytes[0] >>= bits.div_ceil(8) * 8 - bits;
            Some(json!(URL_SAFE_NO_PAD.encode([vec![0], bytes].concat())))
        };
        assert_eq!(bad("n", modulus(2048)), (Vec::new(), Vec::new()));
        assert_eq!(bad("n", modulus(2047)), failure("key-size"));
        assert_eq!(bad("n", modulus(1024)), failure("key-size"));
        assert_eq!(bad("n", None), failure("key-size"));
        assert_eq!(bad("n", Some(json!("="))), failure("key-size"));
    }

    #[test]
    fn what_is_no_key_at_all() {
        let (failures, _) = judged(&[json!(7)]);
        assert_eq!(failures, ["key-id", "key-members", "key-algorithm"]);
    }
}
