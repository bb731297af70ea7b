//! Bundle maps, and that no trust domain answers for another: B-8 and B-9.

use std::time::Duration;

use moneyer_identity::spiffe::{
    BundleMapError, MAXIMUM_BUNDLE_MAP_BYTES, TrustBundle, TrustBundleError, TrustBundles,
};
use serde_json::{Value, json};

use super::forge::{Ca, domain, jwt_entry, p256};

fn parse(document: &Value) -> Result<TrustBundles, BundleMapError> {
    TrustBundles::parse(document.to_string().as_bytes())
}

fn map() -> Value {
    json!({"trust_domains": {
        "example.org": {
            "keys": [jwt_entry(&p256(), "a"), Ca::new("root").entry()],
            "spiffe_sequence": 3,
            "spiffe_refresh_hint": 60,
        },
        "example.com": {"keys": [jwt_entry(&p256(), "a")]},
    }})
}

#[test]
fn b9_a_map_has_one_bundle_for_each_name() {
    let bundles = parse(&map()).unwrap();
    assert_eq!(bundles.len(), 2);
    for text in [
        r#"{"trust_domains":{"a":{"keys":[]},"a":{"keys":[]}}}"#,
        r#"{"trust_domains":{"a":{"keys":[]},"\u0061":{"keys":[]}}}"#,
        r#"{"trust_domains":{},"trust_domains":{}}"#,
        r#"{"trust_domains":[]}"#,
        r#"{"trust_domains":null}"#,
        r#"{"trust_domains":{"a":[]}}"#,
        r#"{"keys":[]}"#,
        r"[]",
    ] {
        let read = TrustBundles::parse(text.as_bytes());
        assert!(matches!(read, Err(BundleMapError::Malformed)), "{text}");
    }
    for name in ["", "A", "spiffe://a", "a:1", "a/b"] {
        let read = parse(&json!({"trust_domains": {name: {"keys": []}}}));
        assert!(matches!(read, Err(BundleMapError::TrustDomain(_))), "{name}");
    }
    assert!(matches!(
        parse(&json!({"trust_domains": {"a": {}, "b": {"keys": []}}})),
        Err(BundleMapError::Bundle { source: TrustBundleError::Malformed, .. })
    ));
    assert!(parse(&json!({"trust_domains": {}})).unwrap().is_empty());
}

#[test]
fn b9_refresh_hints_inside_a_map_are_neither_kept_nor_written() {
    let bundles = parse(&map()).unwrap();
    let bundle = bundles.find(&domain("example.org")).unwrap();
    assert_eq!((bundle.refresh_hint(), bundle.sequence()), (None, Some(3)));
    let mut hinted = bundles.clone();
    hinted.insert(TrustBundle::clone(bundle).with_refresh_hint(Duration::from_secs(60)));
    assert_eq!(hinted.to_document(), bundles.to_document());
    assert!(!hinted.to_document().contains("hint"));
    assert_eq!(TrustBundles::parse(hinted.to_document().as_bytes()).unwrap(), bundles);
}

#[test]
fn b8_a_bundle_is_found_by_its_own_trust_domain_alone() {
    let mut bundles = parse(&map()).unwrap();
    let (one, other) = (domain("example.org"), domain("example.com"));
    let keys = |bundles: &TrustBundles, of| {
        bundles.find(of).map(|bundle| bundle.jwt_authorities().to_vec())
    };
    assert_ne!(keys(&bundles, &one), keys(&bundles, &other), "one kid, two domains, two keys");
    for stranger in ["org", "a.example.org", "example.org.evil", "127.0.0.1"] {
        assert_eq!(bundles.find(&domain(stranger)), None, "{stranger}");
    }
    let replaced = TrustBundle::new(one.clone(), vec![], vec![]).unwrap();
    bundles.insert(replaced);
    assert_eq!(keys(&bundles, &one), Some(vec![]), "the bundle before has gone");
    bundles.remove(&other);
    assert_eq!((bundles.find(&other), bundles.len()), (None, 1));
}

#[test]
fn a_map_is_read_up_to_its_limit_and_not_one_byte_past_it() {
    let of = |bytes: usize| {
        let (start, end) = (r#"{"trust_domains":{},"x":""#, r#""}"#);
        let text = format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()));
        TrustBundles::parse(text.as_bytes())
    };
    assert!(of(MAXIMUM_BUNDLE_MAP_BYTES).is_ok());
    assert!(matches!(of(MAXIMUM_BUNDLE_MAP_BYTES + 1), Err(BundleMapError::TooLong)));
}
