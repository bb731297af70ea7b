//! The documents stay within what every relying party takes, in every state of a rotation.
//!
//! Of the demands of AWS, Google Cloud, Azure, Vault and kube-apiserver the strictest: AWS fails a key with
//! `key_ops`, Google takes a fixed list of members, all of them need a `kid`, and some readers try the first
//! key alone.

use std::collections::BTreeSet;

use moneyer_authority::keys::{KeyRing, KeyState};
use moneyer_identity::{KeySet, ProviderMetadata};
use serde_json::Value;

use crate::world::issuer;

/// Most keys that AWS reads of one type.
const MOST_KEYS: usize = 100;

/// That key set and discovery document of this ring are within the profile.
pub(crate) fn assert_strict(ring: &KeyRing) {
    let key_set = serde_json::to_value(ring.key_set()).unwrap();
    let members: Vec<_> = key_set.as_object().unwrap().keys().collect();
    assert_eq!(members, ["keys"]);
    let keys = key_set["keys"].as_array().unwrap();
    assert!((1..=MOST_KEYS).contains(&keys.len()), "{} keys", keys.len());
    let ids: BTreeSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), keys.len(), "a kid is there twice");
    keys.iter().for_each(assert_key);
    let active = ring.records().find(|record| record.state == KeyState::Active).unwrap();
    assert_eq!(keys[0]["kid"], active.key_id.as_str(), "the active key is the first");
    assert_discovery(ring.key_set());
}

fn assert_key(key: &Value) {
    let members: BTreeSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    let of_type = match key["kty"].as_str().unwrap() {
        "RSA" => ["n", "e"].as_slice(),
        "EC" => &["crv", "x", "y"],
        other => panic!("{other}"),
    };
    let expected: BTreeSet<_> =
        ["kty", "use", "alg", "kid"].iter().chain(of_type).copied().collect();
    assert_eq!(members, expected);
    assert_eq!(key["use"], "sig");
    assert!(key.as_object().unwrap().values().all(Value::is_string), "{key}");
}

fn assert_discovery(keys: &KeySet) {
    let issuer = issuer();
    let jwks_uri = issuer.join("/.well-known/jwks.json");
    let metadata = ProviderMetadata::new(issuer.clone(), jwks_uri, &keys.algorithms());
    let document = serde_json::to_value(&metadata).unwrap();
    assert_eq!(document["issuer"], issuer.as_str());
    assert!(document["jwks_uri"].as_str().unwrap().starts_with(issuer.as_str()));
    let lists =
        |name: &str, value: &str| document[name].as_array().unwrap().contains(&value.into());
    assert!(lists("response_types_supported", "id_token"));
    assert!(lists("subject_types_supported", "public"));
    for claim in ["aud", "iat", "iss", "sub"] {
        assert!(lists("claims_supported", claim), "{claim}");
    }
    let algorithms = document["id_token_signing_alg_values_supported"].as_array().unwrap();
    let taken = |algorithm: &Value| algorithm == "RS256" || algorithm == "ES256";
    assert!(!algorithms.is_empty() && algorithms.iter().all(taken), "{algorithms:?}");
}
