//! `POST /api/v1/keys/import`.

use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_testkit::FixtureKey;
use serde_json::{Value, json};

use crate::world::{World, json, problem};

const PATH: &str = "/keys/import";

/// A public key as another issuer publishes it.
fn key(key: FixtureKey, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(key.verifying_key().jwk()).unwrap();
    jwk["kid"] = kid.into();
    jwk
}

async fn import(world: &World, keys: &[Value], dry_run: bool) -> Answer {
    let body = json!({ "keys": keys, "dry_run": dry_run }).to_string();
    world.manage(Method::POST, PATH, &body).await
}

#[tokio::test]
async fn imported_keys_are_served_under_their_own_ids_behind_the_active_one() {
    let world = World::start().await;
    let own = world.authority().keys().ring().keys()[0].record.key_id.as_str().to_owned();
    let mut nameless = key(FixtureKey::RSA_3072, "");
    nameless.as_object_mut().unwrap().remove("kid");
    let keys = [key(FixtureKey::ED25519_A, "theirs/1"), nameless];
    let answer = json(&import(&world, &keys, true).await);
    let until = world.authority().now().0 + 24 * 3600 + 300;
    let thumbprint = FixtureKey::RSA_3072.verifying_key().thumbprint().as_str().to_owned();
    let expected = json!([
        { "key_id": "theirs/1", "algorithm": "EdDSA", "verifies_until": until },
        { "key_id": thumbprint, "algorithm": "RS256", "verifies_until": until },
    ]);
    assert_eq!((&answer["dry_run"], &answer["keys"]), (&json!(true), &expected));
    world.until_served(&[&own]).await;
    let answer = json(&import(&world, &keys, false).await);
    assert_eq!((&answer["dry_run"], &answer["keys"]), (&json!(false), &expected));
    world.until_served(&[&own, "theirs/1", &thumbprint]).await;
    let again = json(&import(&world, &keys, false).await);
    assert_eq!(again["keys"], json!([]), "known already");
    let listed = json(&world.manage(Method::GET, "/keys", "").await);
    assert_eq!(
        (&listed[1]["state"], &listed[1]["next"]["step"]),
        (&json!("retiring"), &json!("prune"))
    );
    assert_eq!(listed[1]["next"]["at"], until);
}

#[tokio::test]
async fn what_is_no_public_key_of_ours_is_refused_and_nothing_of_it_is_done() {
    let world = World::start().await;
    let good = key(FixtureKey::ED25519_A, "good");
    let with = |name: &str, value: Value| {
        let mut wrong = good.clone();
        wrong[name] = value;
        wrong
    };
    for wrong in [
        with("use", "enc".into()),
        with("alg", "RS256".into()),
        with("alg", "HS256".into()),
        with("kty", "oct".into()),
        with("crv", "X25519".into()),
        with("x", "AAAA".into()),
        with("kid", "".into()),
        with("kid", "a b".into()),
        with("unknown", "member".into()),
        json!({}),
        json!(7),
    ] {
        let answer =
            import(&world, &[key(FixtureKey::P256_A, "other"), wrong.clone()], false).await;
        problem(&answer, 400);
    }
    let answer = import(&world, &[with("d", "nobody-may-see-this".into())], false).await;
    assert!(!problem(&answer, 400).contains("nobody-may-see-this"));
    problem(&import(&world, &[], false).await, 400);
    problem(&world.manage(Method::POST, PATH, r#"{"keys":[],"force":true}"#).await, 400);
    let answer = import(&world, &[good.clone(), key(FixtureKey::P256_A, "good")], true).await;
    assert!(problem(&answer, 409).contains("another key goes by the id good"));
    import(&world, std::slice::from_ref(&good), false).await;
    let answer = import(&world, &[key(FixtureKey::ED25519_A, "otherwise")], false).await;
    assert!(problem(&answer, 409).contains("is here already as good"));
    assert_eq!(world.authority().keys().ring().keys().len(), 2);
}
