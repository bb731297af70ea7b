//! The same inputs judged by the crate `spiffe`, an independent implementation.
//!
//! It reads the machine's clock, so the times of these tokens lie a lifetime away on either side. Where
//! it is laxer or knows less the table says so, and why ours decides as it does.

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{
    JwtSvidRules, SpiffeId, SvidAlgorithm, TrustBundle, TrustDomain, X509Leaf,
};
use openssl::pkey::{PKey, Private};
use proptest::prelude::*;
use serde_json::{Value, json};
use spiffe::bundle::jwt::{JwtBundle, JwtBundleSet};
use spiffe::bundle::x509::X509Bundle;
use spiffe::{JwtSvid, X509Svid};

use super::forge::{Ca, DOMAIN, Form, NOW, domain, fixture, jwt_entry, p256, with};
use super::forge_token::{AUDIENCE, ID, Issuer, bundle, good_header, raw};
use super::x509_svids::leaf;

const PAST: i64 = 1_000_000_000;
const FUTURE: i64 = 4_000_000_000;

/// Whether the oracle decides as ours does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oracle {
    Agrees,
    Accepts,
    Refuses,
}

#[track_caller]
fn compare(what: &str, ours: bool, theirs: bool, expected: bool, oracle: Oracle) {
    let oracle = match oracle {
        Oracle::Agrees => expected,
        Oracle::Accepts => true,
        Oracle::Refuses => false,
    };
    assert_eq!((ours, theirs), (expected, oracle), "{what}");
}

fn id_by_oracle(text: &str) -> bool {
    spiffe::SpiffeId::new(text).is_ok()
}

#[test]
fn ids_are_judged_alike_but_for_folding() {
    for (text, good, oracle) in [
        ("spiffe://example.org", true, Oracle::Agrees),
        ("spiffe://example.org/a/B.c/_d-", true, Oracle::Agrees),
        ("spiffe://127.0.0.1/a", true, Oracle::Agrees),
        ("spiffe://example.org/a/", false, Oracle::Agrees),
        ("spiffe://example.org/", false, Oracle::Agrees),
        ("spiffe://example.org//a", false, Oracle::Agrees),
        ("spiffe://example.org/../a", false, Oracle::Agrees),
        ("spiffe://example.org/a?", false, Oracle::Agrees),
        ("spiffe://example.org/a#", false, Oracle::Agrees),
        ("spiffe://example.org:/a", false, Oracle::Agrees),
        ("spiffe://u@example.org/a", false, Oracle::Agrees),
        ("spiffe://[::1]/a", false, Oracle::Agrees),
        ("spiffe:///a", false, Oracle::Agrees),
        ("spiffe://example.org/%61", false, Oracle::Agrees),
        ("", false, Oracle::Agrees),
        // It folds; a policy that matched before folding would match another id after it.
        ("SPIFFE://example.org/a", false, Oracle::Accepts),
        ("spiffe://Example.org/a", false, Oracle::Accepts),
    ] {
        compare(text, SpiffeId::parse(text).is_ok(), id_by_oracle(text), good, oracle);
    }
    // It has no limit of its own; SPIFFE-ID section 2.3 asks that 2048 bytes be read and none longer made.
    for (bytes, good, oracle) in [(2048, true, Oracle::Agrees), (2049, false, Oracle::Accepts)] {
        let text = format!("spiffe://a/{}", "x".repeat(bytes - 11));
        let what = format!("{bytes} bytes");
        compare(&what, SpiffeId::parse(&text).is_ok(), id_by_oracle(&text), good, oracle);
    }
}

proptest! {
    #[test]
    fn ids_of_a_small_alphabet_are_judged_alike(text in "(spiffe|SPIFFE|http)://[aA.%/?#@:_~-]{0,12}") {
        let theirs = spiffe::SpiffeId::new(&text).ok().map(|id| id.to_string());
        // What it had to fold is none of ours.
        let exact = theirs.filter(|read| *read == text);
        prop_assert_eq!(SpiffeId::parse(&text).ok().map(String::from), exact);
    }

    #[test]
    fn trust_domains_of_a_small_alphabet_are_judged_alike(text in "[aA1.%/?#@:_~-]{0,12}") {
        let theirs = spiffe::TrustDomain::new(&text).ok().map(|domain| domain.as_str().to_owned());
        let exact = theirs.filter(|read| *read == text);
        prop_assert_eq!(TrustDomain::parse(&text).ok().map(String::from), exact);
    }
}

/// Both verdicts on a token, each with the keys of `bundle` as the Workload API hands them out.
fn judged(token: &str, bundle: &TrustBundle) -> (bool, bool) {
    let ours = JwtSvidRules::for_audiences([AUDIENCE]).unwrap().verify(
        token,
        &[bundle.clone()].into_iter().collect(),
        NOW,
    );
    let name = spiffe::TrustDomain::new(bundle.trust_domain().as_str()).unwrap();
    let keys = bundle.to_workload_jwks();
    let mut theirs = JwtBundleSet::new();
    theirs.add_bundle(JwtBundle::from_jwt_authorities(name, keys.as_bytes()).unwrap());
    let theirs = JwtSvid::parse_and_validate(token, &theirs, &[AUDIENCE]);
    if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
        assert_eq!(ours.id().as_str(), theirs.spiffe_id().to_string());
        assert_eq!(ours.audiences(), theirs.audience());
        assert_eq!(ours.key_id().as_str(), theirs.key_id());
    }
    (ours.is_ok(), theirs.is_ok())
}

fn claims() -> Value {
    json!({"sub": ID, "aud": [AUDIENCE], "exp": FUTURE, "iat": PAST})
}

#[test]
fn tokens_of_every_algorithm_are_judged_alike() {
    let issuer = Issuer::default();
    let bundle = TrustBundle::clone(issuer.bundles.find(&domain(DOMAIN)).unwrap());
    for algorithm in SvidAlgorithm::ALL {
        let name = algorithm.as_str();
        let kid = Issuer::kid_for(name);
        let header = json!({"alg": name, "kid": kid}).to_string();
        let token = raw(issuer.key(kid), name, &header, &claims().to_string());
        let oracle = match algorithm {
            // Its backend has no P-521.
            SvidAlgorithm::ES512 => Oracle::Refuses,
            _ => Oracle::Agrees,
        };
        let (ours, theirs) = judged(&token, &bundle);
        compare(name, ours, theirs, true, oracle);
    }
}

#[test]
fn tokens_are_judged_alike() {
    use Oracle::{Accepts, Agrees, Refuses};
    let none = json!({});
    let cases: Vec<(Value, Value, bool, Oracle)> = vec![
        (none.clone(), none.clone(), true, Agrees),
        (json!({"typ": "JOSE"}), none.clone(), true, Agrees),
        (json!({"typ": null}), none.clone(), true, Agrees),
        (json!({"typ": "at+jwt"}), none.clone(), false, Agrees),
        (json!({"typ": "jwt"}), none.clone(), false, Agrees),
        (json!({"kid": null}), none.clone(), false, Agrees),
        (json!({"kid": "other"}), none.clone(), false, Agrees),
        (json!({"jku": "https://evil"}), none.clone(), false, Agrees),
        (json!({"crit": ["b64"]}), none.clone(), false, Agrees),
        (json!({"x5c": []}), none.clone(), false, Agrees),
        (json!({"alg": "EdDSA"}), none.clone(), false, Agrees),
        (json!({"alg": "HS256"}), none.clone(), false, Agrees),
        (json!({"alg": "none"}), none.clone(), false, Agrees),
        (json!({"alg": "RS256"}), none.clone(), false, Agrees),
        (json!({"alg": "ES384"}), none.clone(), false, Agrees),
        (none.clone(), json!({"sub": null}), false, Agrees),
        (none.clone(), json!({"sub": "org:acme:app:web"}), false, Agrees),
        (none.clone(), json!({"sub": "spiffe://other.org/a"}), false, Agrees),
        (none.clone(), json!({"aud": null}), false, Agrees),
        (none.clone(), json!({"aud": []}), false, Agrees),
        (none.clone(), json!({"aud": [""]}), false, Agrees),
        (none.clone(), json!({"aud": "other"}), false, Agrees),
        (none.clone(), json!({"aud": AUDIENCE}), true, Agrees),
        (none.clone(), json!({"aud": ["other", AUDIENCE]}), true, Agrees),
        (none.clone(), json!({"exp": null}), false, Agrees),
        (none.clone(), json!({"exp": PAST}), false, Agrees),
        (none.clone(), json!({"exp": "4000000000"}), false, Agrees),
        (none.clone(), json!({"nbf": FUTURE - 1}), false, Agrees),
        (none.clone(), json!({"nbf": PAST}), true, Agrees),
        (none.clone(), json!({"nbf": "soon"}), false, Agrees),
        (none.clone(), json!({"iss": "https://id.example.com", "jti": "a", "x": {}}), true, Agrees),
        // A NumericDate may have a fraction (RFC 7519 section 2); it takes integers.
        (none.clone(), json!({"exp": 4e9_f64 + 0.5}), true, Refuses),
        // JWT-SVID section 3.1 asks for a workload's id; it takes the trust domain's own.
        (none.clone(), json!({"sub": "spiffe://example.org"}), false, Accepts),
        // It folds the trust domain of a subject.
        (none.clone(), json!({"sub": "spiffe://Example.org/a"}), false, Accepts),
    ];
    let key = p256();
    let bundle = bundle(DOMAIN, &[jwt_entry(&key, "p256")]);
    for (header, changed, good, oracle) in cases {
        let what = format!("{header} {changed}");
        let header = with(good_header(), header).to_string();
        let token = raw(&key, "ES256", &header, &with(claims(), changed).to_string());
        let (ours, theirs) = judged(&token, &bundle);
        compare(&what, ours, theirs, good, oracle);
    }
    let other = raw(&p256(), "ES256", &good_header().to_string(), &claims().to_string());
    assert_eq!(judged(&other, &bundle), (false, false), "another key's signature");
}

#[test]
fn certificates_are_judged_alike() {
    use Oracle::{Accepts, Agrees};
    let usage = |names: &[&'static str]| Form { usage: Some((names.to_vec(), true)), ..leaf() };
    let uris =
        |uris: &[&str]| Form { uris: uris.iter().map(|&uri| uri.to_owned()).collect(), ..leaf() };
    let subject = || Some("web".to_owned());
    let cases: Vec<(Form, bool, Oracle)> = vec![
        (leaf(), true, Agrees),
        (Form { subject: subject(), names_are_critical: false, ..leaf() }, true, Agrees),
        (Form { dns: vec!["web.example.org".to_owned()], ..leaf() }, true, Agrees),
        (Form { extended: None, ..leaf() }, true, Agrees),
        (usage(&["digitalSignature", "keyEncipherment", "keyAgreement"]), true, Agrees),
        (uris(&[]), false, Agrees),
        (uris(&[ID, "spiffe://example.org/b"]), false, Agrees),
        (uris(&[ID, "https://example.org"]), false, Agrees),
        (uris(&["https://example.org/a"]), false, Agrees),
        (uris(&["spiffe://example.org"]), false, Agrees),
        (uris(&["spiffe://example.org/a/"]), false, Agrees),
        (Form { authority: None, ..leaf() }, false, Agrees),
        (Form { authority: Some(true), ..leaf() }, false, Agrees),
        (Form { usage: None, ..leaf() }, false, Agrees),
        (usage(&["keyEncipherment"]), false, Agrees),
        (usage(&["digitalSignature", "keyCertSign"]), false, Agrees),
        (usage(&["digitalSignature", "cRLSign"]), false, Agrees),
        // It folds a trust domain, and passes over what X509-SVID sections 3.1, 4.3 and 4.4 ask.
        (uris(&["spiffe://Example.org/a"]), false, Accepts),
        (Form { usage: Some((vec!["digitalSignature"], false)), ..leaf() }, false, Accepts),
        (Form { extended: Some((false, true)), ..leaf() }, false, Accepts),
        (Form { names_are_critical: false, ..leaf() }, false, Accepts),
    ];
    let (ca, key) = (Ca::new("root"), p256());
    for (form, good, oracle) in cases {
        let der = form.signed_by(&key, &ca.certificate, &ca.key).to_der().unwrap();
        let (ours, theirs) =
            (X509Leaf::of_svid(&der), X509Svid::parse_from_der(&der, &pkcs8(&key)));
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
            assert_eq!(ours.id().as_str(), theirs.spiffe_id().to_string());
        }
        compare(&format!("{form:?}"), ours.is_ok(), theirs.is_ok(), good, oracle);
    }
}

fn pkcs8(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pkcs8().unwrap()
}

#[test]
fn our_views_of_a_bundle_are_read_whole() {
    let cas = [Ca::new("one"), Ca::new("two")];
    let entries = [
        cas[0].entry(),
        cas[1].entry(),
        jwt_entry(&fixture("rsa-2048-a"), "rsa"),
        jwt_entry(&fixture("ed25519-a"), "edwards"),
        jwt_entry(&p256(), "p256"),
    ];
    let ours = bundle(DOMAIN, &entries);
    let name = || spiffe::TrustDomain::new(DOMAIN).unwrap();
    let certificates = X509Bundle::parse_from_der(name(), &ours.to_der()).unwrap();
    let read: Vec<_> =
        certificates.authorities().iter().map(|one| one.as_bytes().to_vec()).collect();
    let sent: Vec<_> = ours.x509_authorities().iter().map(|one| one.der().to_vec()).collect();
    assert_eq!((read, ours.x509_authorities().len()), (sent, 2));
    for keys in [ours.to_workload_jwks(), ours.to_jwks()] {
        let keys = JwtBundle::from_jwt_authorities(name(), keys.as_bytes()).unwrap();
        let mut read: Vec<_> = keys.jwt_authorities().map(|key| key.key_id().to_owned()).collect();
        read.sort();
        assert_eq!(read, ["p256", "rsa"]);
    }
    let empty = bundle(DOMAIN, &[]);
    let keys =
        JwtBundle::from_jwt_authorities(name(), empty.to_workload_jwks().as_bytes()).unwrap();
    assert_eq!(keys.jwt_authorities().count(), 0);
}

#[test]
fn the_times_of_these_tables_lie_around_both_clocks() {
    assert!(UnixTime(PAST) < NOW && NOW < UnixTime(FUTURE));
}
