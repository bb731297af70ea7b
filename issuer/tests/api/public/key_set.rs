//! `GET /.well-known/jwks.json`, or wherever the configuration puts the key set.

use moneyer_daemon::unix_http::Method;
use moneyer_identity::KeySet;

use crate::public::behaves_as_a_document;
use crate::world::{World, json, problem};

const PATH: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn the_key_set_holds_the_public_half_of_the_signing_key() {
    let world = World::start().await;
    let whole = behaves_as_a_document(&world, PATH).await;
    KeySet::parse(&whole.body).unwrap();
    let keys = json(&whole)["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1);
    let mut sorted: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    sorted.sort_unstable();
    assert_eq!(sorted, ["alg", "crv", "kid", "kty", "use", "x", "y"], "no `d`, nothing to refuse");
    let ring = world.authority().keys().ring();
    assert_eq!(keys[0]["kid"], ring.keys()[0].record.key_id.as_str());
    assert_eq!((&keys[0]["use"], &keys[0]["alg"]), (&"sig".into(), &"ES256".into()));
}

#[tokio::test]
async fn the_key_set_is_where_the_configuration_puts_it() {
    let world = World::with(&[
        ("ISSUER__JWKS_PATH", "/oauth/keys"),
        // The path itself and a repeated one are no reason to fail.
        ("ISSUER__JWKS_ALIASES", r#"["/.well-known/miren/jwks", "/oauth/keys", "/k", "/k"]"#),
        ("KEYS__MAX_AGE", "1h"),
    ])
    .await;
    let whole = behaves_as_a_document(&world, "/oauth/keys").await;
    for alias in ["/.well-known/miren/jwks", "/k"] {
        assert_eq!(behaves_as_a_document(&world, alias).await.body, whole.body);
    }
    let discovery = world.public(Method::GET, "/.well-known/openid-configuration", &[]).await;
    assert_eq!(json(&discovery)["jwks_uri"], "https://id.example.com/oauth/keys");
    problem(&world.public(Method::GET, PATH, &[]).await, 404);
}

#[tokio::test]
async fn max_age_is_the_configured_one() {
    let world = World::with(&[("KEYS__MAX_AGE", "5m")]).await;
    let answer = world.public(Method::GET, PATH, &[]).await;
    assert_eq!(crate::world::field(&answer, "cache-control"), "public, max-age=300");
}
