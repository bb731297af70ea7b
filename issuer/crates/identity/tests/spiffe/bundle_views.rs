//! Writing bundles: B-2, B-5 to B-7, W-12 and O-2, O-3.

use std::time::Duration;

use moneyer_identity::KeySet;
use moneyer_identity::spiffe::{
    JwtAuthority, MAXIMUM_AUTHORITIES, TrustBundle, TrustBundleError, X509Authority,
};
use openssl::nid::Nid;
use openssl::x509::X509;
use serde_json::{Value, json};

use super::bundles::parse;
use super::forge::{Ca, DOMAIN, domain, ec, fixture, jwt_entry, p256, verifying_key};

/// A bundle as a cluster makes its own, from a key ring with a legacy Ed25519 key.
fn own() -> (TrustBundle, KeySet, Vec<Ca>) {
    let keys = ["rsa-2048-a", "ed25519-a", "ec-p256-a"].map(|name| verifying_key(&fixture(name)));
    let keys = KeySet::new(keys.to_vec()).unwrap();
    let authorities = vec![Ca::new("one"), Ca::new("two")];
    let bundle = bundle(&authorities, JwtAuthority::of_keys(&keys));
    (bundle, keys, authorities)
}

fn bundle(authorities: &[Ca], keys: Vec<JwtAuthority>) -> TrustBundle {
    let parse = |ca: &Ca| X509Authority::parse(&ca.der()).unwrap();
    TrustBundle::new(domain(DOMAIN), authorities.iter().map(parse).collect(), keys).unwrap()
}

fn entries(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    document["keys"].as_array().unwrap().clone()
}

fn names(entry: &Value) -> Vec<&str> {
    entry.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn b7_entries_have_the_members_of_the_standard_and_no_other() {
    let document = own().0.with_sequence(7).with_refresh_hint(Duration::from_secs(300));
    let document = document.to_document();
    let shapes: Vec<_> = entries(&document)
        .iter()
        .map(|entry| (entry["use"].as_str().unwrap().to_owned(), names(entry).join(" ")))
        .collect();
    let shape = |key_use: &str, names: &str| (key_use.to_owned(), names.to_owned());
    let mut sorted = shapes.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            shape("jwt-svid", "crv kid kty use x y"),
            shape("jwt-svid", "e kid kty n use"),
            shape("x509-svid", "crv kty use x x5c y"),
            shape("x509-svid", "crv kty use x x5c y"),
        ]
    );
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(names(&document), ["keys", "spiffe_refresh_hint", "spiffe_sequence"]);
    assert_eq!(
        (&document["spiffe_sequence"], &document["spiffe_refresh_hint"]),
        (&json!(7), &json!(300))
    );
    for entry in document["keys"].as_array().unwrap() {
        assert!(entry.get("x5c").is_none_or(|chain| chain.as_array().unwrap().len() == 1));
    }
}

#[test]
fn b1_keys_is_written_when_there_are_none() {
    let empty = bundle(&[], vec![]);
    assert_eq!(empty.to_document(), r#"{"keys":[]}"#);
    assert_eq!(empty.to_workload_jwks(), r#"{"keys":[]}"#);
    assert_eq!(empty.to_jwks(), r#"{"keys":[]}"#);
    assert_eq!((empty.to_pem(), empty.to_der()), (String::new(), vec![]));
}

#[test]
fn o3_an_eddsa_key_stands_in_no_view() {
    let (bundle, keys, _) = own();
    let edwards = keys.iter().find(|key| JwtAuthority::of_key(key).is_none()).unwrap();
    assert_eq!(keys.iter().count(), bundle.jwt_authorities().len() + 1);
    for view in [bundle.to_document(), bundle.to_workload_jwks(), bundle.to_jwks()] {
        assert!(!view.contains(edwards.key_id().as_str()), "{view}");
        assert!(!view.contains("OKP") && !view.contains("Ed25519"), "{view}");
    }
}

#[test]
fn o2_a_key_has_one_kid_in_every_view() {
    let (bundle, keys, _) = own();
    let kids = |document: &str| {
        let kid = |entry: &Value| entry["kid"].as_str().map(str::to_owned);
        let mut kids: Vec<_> = entries(document).iter().filter_map(kid).collect();
        kids.sort();
        kids
    };
    let mut expected: Vec<_> = keys
        .iter()
        .filter(|key| JwtAuthority::of_key(key).is_some())
        .map(|key| key.key_id().as_str().to_owned())
        .collect();
    expected.sort();
    for view in [bundle.to_document(), bundle.to_workload_jwks(), bundle.to_jwks()] {
        assert_eq!(kids(&view), expected);
    }
    for entry in entries(&bundle.to_jwks()) {
        let alg = if entry["kty"] == "RSA" { "RS256" } else { "ES256" };
        assert_eq!((&entry["use"], &entry["alg"]), (&json!("sig"), &json!(alg)));
    }
    // A stock reader of key sets takes it as it is.
    assert_eq!(KeySet::parse(bundle.to_jwks().as_bytes()).unwrap().iter().count(), 2);
}

#[test]
fn w12_the_workload_api_gets_jwt_keys_only_each_with_a_kid_and_no_use() {
    for entry in entries(&own().0.to_workload_jwks()) {
        let rest = if entry["kty"] == "RSA" { "e kid kty n" } else { "crv kid kty x y" };
        assert_eq!(names(&entry).join(" "), rest);
    }
}

#[test]
fn certificates_come_as_pem_and_as_der_one_after_the_other() {
    let (bundle, _, authorities) = own();
    let mut ders: Vec<_> = authorities.iter().map(Ca::der).collect();
    ders.sort();
    assert_eq!(bundle.to_der(), ders.concat());
    let read = X509::stack_from_pem(bundle.to_pem().as_bytes()).unwrap();
    assert_eq!(read.iter().map(|one| one.to_der().unwrap()).collect::<Vec<_>>(), ders);
    assert_eq!(
        bundle.to_pem().as_bytes(),
        read.iter().flat_map(|one| one.to_pem().unwrap()).collect::<Vec<_>>()
    );
}

#[test]
fn b2_the_digest_changes_exactly_when_the_content_does() {
    let (bundle_, keys, authorities) = own();
    let digest = bundle_.content_digest();
    let hint = Duration::from_secs(300);
    assert_eq!(bundle_.clone().with_sequence(7).content_digest(), digest);
    let mut turned: Vec<_> = keys.iter().cloned().collect();
    turned.reverse();
    let turned = JwtAuthority::of_keys(&KeySet::new(turned).unwrap());
    let mut others = vec![Ca::new("three")];
    let same = bundle(&authorities, turned.clone());
    assert_eq!(
        (same.content_digest(), same.to_document()),
        (digest.clone(), bundle_.to_document())
    );
    let read = TrustBundle::parse(domain(DOMAIN), bundle_.to_document().as_bytes()).unwrap();
    assert_eq!(read.content_digest(), digest);

    others.extend(authorities);
    let fewer = turned.get(1..).unwrap().to_vec();
    let renamed =
        JwtAuthority::of_key(&keys.iter().next().unwrap().clone().named("other".parse().unwrap()));
    let elsewhere = TrustBundle::new(
        domain("example.com"),
        bundle_.x509_authorities().to_vec(),
        bundle_.jwt_authorities().to_vec(),
    );
    let changed = [
        bundle(&others, turned.clone()),
        bundle(&others[1..2], turned.clone()),
        bundle(&others[1..], fewer.clone()),
        bundle(&others[1..], fewer.into_iter().chain(renamed).collect()),
        bundle_.clone().with_refresh_hint(hint),
        elsewhere.unwrap(),
    ];
    let mut digests: Vec<_> = changed.iter().map(|one| one.content_digest().to_string()).collect();
    digests.push(digest.to_string());
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), changed.len() + 1);
}

#[test]
fn a_certificate_stands_once_and_a_kid_names_one_key() {
    let ca = Ca::new("one");
    let authority = X509Authority::parse(&ca.der()).unwrap();
    let twice = TrustBundle::new(domain(DOMAIN), vec![authority.clone(), authority], vec![]);
    assert_eq!(twice.unwrap().x509_authorities().len(), 1);
    let same = |name: &str| {
        JwtAuthority::of_key(&verifying_key(&fixture(name)).named("same".parse().unwrap())).unwrap()
    };
    let twins = vec![same("rsa-2048-a"), same("rsa-2048-b")];
    let refused = TrustBundle::new(domain(DOMAIN), vec![], twins);
    assert!(matches!(refused, Err(TrustBundleError::DuplicateKeyId)));
    let many = (0..=MAXIMUM_AUTHORITIES).map(|index| {
        let key = verifying_key(&fixture("ec-p256-a")).named(format!("k{index}").parse().unwrap());
        JwtAuthority::of_key(&key).unwrap()
    });
    let refused = TrustBundle::new(domain(DOMAIN), vec![], many.collect());
    assert!(matches!(refused, Err(TrustBundleError::TooManyEntries)));
}

#[test]
fn what_is_written_is_read_again() {
    let foreign = json!({
        "keys": [
            jwt_entry(&fixture("rsa-3072"), "a"),
            jwt_entry(&ec(Nid::SECP384R1), "b"),
            jwt_entry(&ec(Nid::SECP521R1), "c"),
            jwt_entry(&p256(), "d"),
            Ca::new("root").entry(),
        ],
        "spiffe_sequence": 12,
        "spiffe_refresh_hint": 60,
    });
    for bundle in [parse(&foreign).unwrap(), own().0.with_sequence(u64::MAX)] {
        let read = TrustBundle::parse(domain(DOMAIN), bundle.to_document().as_bytes()).unwrap();
        assert_eq!(read, bundle);
        assert_eq!(read.to_document(), bundle.to_document());
    }
}
