//! Reading bundles: B-1 to B-8.

use std::time::Duration;

use moneyer_identity::spiffe::{
    CertificateError, EntryError, MAXIMUM_AUTHORITIES, MAXIMUM_BUNDLE_BYTES,
    MAXIMUM_CERTIFICATE_BYTES, TrustBundle, TrustBundleError, X509Authority, X509AuthorityError,
};
use openssl::nid::Nid;
use serde_json::{Value, json};

use super::forge::{Ca, DOMAIN, Form, domain, ec, fixture, jwk, jwt_entry, p256, with, x509_entry};

pub(crate) fn parse(document: &Value) -> Result<TrustBundle, TrustBundleError> {
    TrustBundle::parse(domain(DOMAIN), document.to_string().as_bytes())
}

/// How many authorities of each kind come out of these entries.
fn counts(entries: &[Value]) -> (usize, usize) {
    let bundle = parse(&json!({ "keys": entries })).unwrap();
    (bundle.x509_authorities().len(), bundle.jwt_authorities().len())
}

fn refusal(entry: &Value) -> EntryError {
    let good = jwt_entry(&p256(), "good");
    match parse(&json!({ "keys": [good, entry] })) {
        Err(TrustBundleError::Entry { index: 1, source }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn b1_keys_is_always_an_array_and_may_be_empty() {
    assert_eq!(counts(&[]), (0, 0));
    for bad in [
        json!({}),
        json!({"keys": null}),
        json!({"keys": {}}),
        json!({"keys": "x"}),
        json!({"Keys": []}),
        json!([]),
        json!({"trust_domains": {"example.org": {"keys": []}}}),
    ] {
        assert!(matches!(parse(&bad), Err(TrustBundleError::Malformed)), "{bad}");
    }
    for text in [
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[],"\u006beys":[]}"#,
        r#"{"keys":[]}x"#,
        r#"{"keys":[{"kty":"x","kty":"x"}]}"#,
        "",
    ] {
        let read = TrustBundle::parse(domain(DOMAIN), text.as_bytes());
        assert!(matches!(read, Err(TrustBundleError::Malformed)), "{text}");
    }
}

#[test]
fn b2_sequence_is_an_unsigned_integer_of_64_bits() {
    let of = |value: Value| parse(&json!({"keys": [], "spiffe_sequence": value}));
    for good in [0, 1, u64::from(u32::MAX) + 1, u64::MAX] {
        assert_eq!(of(json!(good)).unwrap().sequence(), Some(good));
    }
    assert_eq!(parse(&json!({"keys": []})).unwrap().sequence(), None);
    for bad in [json!(-1), json!(1.0), json!(1e3), json!("1"), json!(null), json!([1])] {
        assert!(matches!(of(bad.clone()), Err(TrustBundleError::Sequence)), "{bad}");
    }
    let over = br#"{"keys":[],"spiffe_sequence":18446744073709551616}"#;
    assert!(TrustBundle::parse(domain(DOMAIN), over).is_err());
}

#[test]
fn b3_refresh_hint_is_an_integer_of_seconds() {
    let of = |value: Value| parse(&json!({"keys": [], "spiffe_refresh_hint": value}));
    assert_eq!(of(json!(300)).unwrap().refresh_hint(), Some(Duration::from_secs(300)));
    assert_eq!(parse(&json!({"keys": []})).unwrap().refresh_hint(), None);
    for bad in [json!(-1), json!(1.5), json!("300"), json!(null)] {
        assert!(matches!(of(bad.clone()), Err(TrustBundleError::RefreshHint)), "{bad}");
    }
}

#[test]
fn b4_an_unknown_use_is_skipped_alone() {
    let (ca, good) = (Ca::new("root"), jwt_entry(&p256(), "good"));
    let entry = jwt_entry(&p256(), "other");
    for unknown in [json!("sig"), json!("JWT-SVID"), json!("future-svid"), json!(""), json!(7)] {
        let odd = with(entry.clone(), json!({"use": unknown}));
        assert_eq!(counts(&[odd, good.clone(), ca.entry()]), (1, 1));
    }
    let missing = with(entry, json!({"use": null}));
    assert_eq!(counts(&[missing, good.clone(), ca.entry()]), (1, 1));
    // Of an entry that is skipped nothing is read, and nothing in it can be wrong.
    let nonsense =
        json!({"kty": "RSA", "use": "future-svid", "n": 5, "x5c": 7, "kid": {}, "d": ""});
    assert_eq!(counts(&[nonsense, good]), (0, 1));
}

#[test]
fn b4_an_unknown_key_type_is_skipped_alone() {
    let (ca, good) = (Ca::new("root"), jwt_entry(&p256(), "good"));
    for kty in [json!("oct"), json!("AKP"), json!("rsa"), json!(""), json!(1), json!(null)] {
        let members = json!({"kty": kty, "k": "c2VjcmV0"});
        let odd = with(jwt_entry(&p256(), "other"), members.clone());
        let odd_certificate = with(ca.entry(), members);
        assert_eq!(counts(&[odd, odd_certificate, good.clone(), ca.entry()]), (1, 1));
    }
    assert!(matches!(refusal(&json!("text")), EntryError::NotAnObject));
    assert!(matches!(refusal(&json!(null)), EntryError::NotAnObject));
}

#[test]
fn b4_an_entry_that_is_skipped_takes_no_kid() {
    let odd = with(jwt_entry(&p256(), "good"), json!({"kty": "AKP"}));
    assert_eq!(counts(&[odd, jwt_entry(&p256(), "good")]), (0, 1));
}

#[test]
fn b5_a_jwt_authority_has_a_kid() {
    let entry = jwt_entry(&p256(), "other");
    let (long, longest) = ("k".repeat(1025), "k".repeat(1024));
    for bad in [json!(null), json!(""), json!("a b"), json!("\u{43a}"), json!(1), json!(long)] {
        let entry = with(entry.clone(), json!({"kid": bad}));
        assert!(matches!(refusal(&entry), EntryError::KeyId), "{bad}");
    }
    assert_eq!(counts(&[with(entry, json!({"kid": longest}))]), (0, 1));
}

#[test]
fn b5_a_kid_stands_once_among_jwt_and_wit_entries() {
    let (entry, other) = (jwt_entry(&p256(), "one"), jwt_entry(&p256(), "one"));
    let wit = with(other.clone(), json!({"use": "wit-svid"}));
    // A key that JWT-SVIDs do not have is not taken, yet its kid is.
    let edwards = jwt_entry(&fixture("ed25519-a"), "one");
    for twin in [other, wit, edwards, entry.clone()] {
        let document = json!({"keys": [entry, twin]});
        assert!(matches!(parse(&document), Err(TrustBundleError::DuplicateKeyId)), "{document}");
    }
    let wit = with(jwt_entry(&p256(), "two"), json!({"use": "wit-svid"}));
    assert_eq!(counts(&[entry, wit]), (0, 1), "a WIT authority is no JWT authority");
}

#[test]
fn b6_an_x509_entry_without_a_certificate_is_skipped() {
    let (ca, other) = (Ca::new("root"), Ca::new("other"));
    for chain in [json!(null), json!([])] {
        let empty = with(other.entry(), json!({"x5c": chain}));
        assert_eq!(counts(&[empty, ca.entry()]), (1, 0));
    }
}

#[test]
fn b6_of_several_certificates_the_first_alone_is_read() {
    let (ca, other) = (Ca::new("root"), Ca::new("other"));
    let second = &other.entry()["x5c"][0];
    for second in [second, &json!("no base64"), &json!(7)] {
        let entry = with(ca.entry(), json!({"x5c": [ca.entry()["x5c"][0], second]}));
        let bundle = parse(&json!({"keys": [entry]})).unwrap();
        let ders: Vec<_> = bundle.x509_authorities().iter().map(|one| one.der().to_vec()).collect();
        assert_eq!(ders, [ca.der()]);
    }
}

#[test]
fn b6_a_kid_beside_a_certificate_means_nothing() {
    let ca = Ca::new("root");
    let named = with(ca.entry(), json!({"kid": "same"}));
    assert_eq!(counts(&[named, jwt_entry(&p256(), "same")]), (1, 1));
}

#[test]
fn b6_a_certificate_is_base64_of_der_and_of_its_entrys_key() {
    let ca = Ca::new("root");
    let text = ca.entry()["x5c"][0].as_str().unwrap().to_owned();
    let pem = String::from_utf8(ca.certificate.to_pem().unwrap()).unwrap();
    for bad in [json!("text"), json!([7]), json!([pem]), json!([format!("{text}\n")]), json!({})] {
        let entry = with(ca.entry(), json!({"x5c": bad}));
        assert!(matches!(refusal(&entry), EntryError::Chain), "{bad}");
    }
    let entry = with(ca.entry(), json!({"x5c": ["AAAA"]}));
    assert!(matches!(refusal(&entry), EntryError::Authority(X509AuthorityError::Certificate(_))));
    let other = with(jwk(&p256()), json!({"use": "x509-svid", "x5c": [text.clone()]}));
    assert!(matches!(refusal(&other), EntryError::OtherKey));
    let other =
        with(jwk(&fixture("rsa-2048-a")), json!({"use": "x509-svid", "x5c": [text.clone()]}));
    assert!(matches!(refusal(&other), EntryError::OtherKey));
    let bare = json!({"kty": "EC", "use": "x509-svid", "x5c": [text]});
    assert_eq!(counts(&[bare]), (1, 0), "what is not said contradicts nothing");
}

#[test]
fn b6_every_common_key_of_a_ca_is_read_and_written() {
    for key in [
        p256(),
        ec(Nid::SECP384R1),
        ec(Nid::SECP521R1),
        fixture("rsa-2048-a"),
        fixture("rsa-4096"),
        fixture("ed25519-a"),
    ] {
        let entry = x509_entry(&key, &Form::authority("root").self_signed(&key));
        let bundle = parse(&json!({"keys": [entry.clone()]})).unwrap();
        let written: Value = serde_json::from_str(&bundle.to_document()).unwrap();
        assert_eq!(written["keys"], json!([entry]));
    }
    let small = fixture("rsa-1024");
    let entry = x509_entry(&small, &Form::authority("root").self_signed(&small));
    assert_eq!(counts(&[entry]), (0, 0), "a short key signs nothing");
}

#[test]
fn x6_a_bundles_certificates_are_authorities() {
    let key = p256();
    let with_usage = |usage| Form { usage, ..Form::authority("root") };
    for bad in [
        Form { authority: Some(false), ..Form::authority("root") },
        Form { authority: None, ..Form::authority("root") },
        with_usage(Some((vec!["digitalSignature"], true))),
        with_usage(Some((vec!["cRLSign"], true))),
        Form::leaf("spiffe://example.org/a"),
    ] {
        let entry = x509_entry(&key, &bad.self_signed(&key));
        let error = refusal(&entry);
        assert!(
            matches!(error, EntryError::Authority(X509AuthorityError::NotAnAuthority)),
            "{bad:?} {error:?}"
        );
    }
    // An upstream root may have no SPIFFE ID, no key usage, or more usages than a SPIFFE CA has.
    for good in [
        Form { uris: vec![], ..Form::authority("root") },
        with_usage(None),
        with_usage(Some((vec!["digitalSignature", "keyCertSign"], true))),
    ] {
        assert_eq!(counts(&[x509_entry(&key, &good.self_signed(&key))]), (1, 0), "{good:?}");
    }
}

#[test]
fn b8_keys_of_a_kind_that_jwt_svids_do_not_have_are_never_taken() {
    let good = jwt_entry(&fixture("rsa-2048-a"), "good");
    let other = |key, members| with(jwt_entry(&key, "other"), members);
    for unused in [
        jwt_entry(&fixture("ed25519-a"), "other"),
        jwt_entry(&ec(Nid::SECP256K1), "other"),
        jwt_entry(&fixture("rsa-1024"), "other"),
        json!({"kty": "oct", "use": "jwt-svid", "kid": "other", "k": "c2VjcmV0"}),
        other(fixture("rsa-2048-b"), json!({"alg": "HS256"})),
        other(fixture("rsa-2048-b"), json!({"alg": "ES256"})),
        other(p256(), json!({"alg": "ES384"})),
        other(p256(), json!({"alg": "EdDSA"})),
        other(p256(), json!({"alg": 7})),
        other(p256(), json!({"key_ops": ["sign"]})),
        other(p256(), json!({"key_ops": "verify"})),
    ] {
        assert_eq!(counts(&[unused.clone(), good.clone()]), (0, 1), "{unused}");
    }
    let verifies = other(p256(), json!({"key_ops": ["verify"], "alg": "ES256"}));
    assert_eq!(counts(&[verifies, good]), (0, 2));
}

#[test]
fn a_malformed_key_refuses_the_document() {
    let (rsa, ec) = (jwt_entry(&fixture("rsa-2048-a"), "other"), jwt_entry(&p256(), "other"));
    for (entry, members) in [
        (&rsa, json!({"n": null})),
        (&rsa, json!({"n": 7})),
        (&rsa, json!({"e": "AQAB="})),
        (&rsa, json!({"e": " AQAB"})),
        (&ec, json!({"crv": null})),
        (&ec, json!({"y": ec["x"]})),
        (&ec, json!({"x": "AAAA"})),
        (&ec, json!({"crv": "P-384"})),
    ] {
        let entry = with(entry.clone(), members.clone());
        assert!(matches!(refusal(&entry), EntryError::Key(_)), "{members}");
    }
    for entry in [rsa, ec, Ca::new("root").entry()] {
        let entry = with(entry, json!({"d": "AAAA"}));
        assert!(matches!(refusal(&entry), EntryError::PrivateKey));
    }
}

#[test]
fn a_bundle_is_read_up_to_its_limits_and_not_one_past_them() {
    let entries = |count: usize| {
        let entry = jwt_entry(&p256(), "k");
        let named = |index| with(entry.clone(), json!({"kid": format!("k{index}")}));
        (0..count).map(named).collect::<Vec<_>>()
    };
    assert_eq!(counts(&entries(MAXIMUM_AUTHORITIES)), (0, MAXIMUM_AUTHORITIES));
    let over = parse(&json!({"keys": entries(MAXIMUM_AUTHORITIES + 1)}));
    assert!(matches!(over, Err(TrustBundleError::TooManyEntries)));
    let strangers = vec![json!({"kty": "x"}); MAXIMUM_AUTHORITIES + 1];
    let over = parse(&json!({"keys": strangers}));
    assert!(matches!(over, Err(TrustBundleError::TooManyEntries)), "skipped ones count");

    let padded = |bytes: usize| {
        let (start, end) = (r#"{"keys":[],"x":""#, r#""}"#);
        format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
    };
    let of = |bytes| TrustBundle::parse(domain(DOMAIN), padded(bytes).as_bytes());
    assert!(of(MAXIMUM_BUNDLE_BYTES).is_ok());
    assert!(matches!(of(MAXIMUM_BUNDLE_BYTES + 1), Err(TrustBundleError::TooLong)));
}

#[test]
fn a_certificate_is_looked_at_up_to_its_limit_and_not_one_byte_past_it() {
    let of = |bytes: usize| match X509Authority::parse(&vec![0x30; bytes]) {
        Err(X509AuthorityError::Certificate(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(of(MAXIMUM_CERTIFICATE_BYTES), CertificateError::Malformed(_)));
    assert_eq!(of(MAXIMUM_CERTIFICATE_BYTES + 1), CertificateError::TooLong);
}
