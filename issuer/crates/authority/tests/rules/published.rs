//! What relying parties read, to the member: the strict profile that AWS, Google Cloud and Azure take.

use moneyer_authority::keys::KeyKinds;
use moneyer_authority::signer::KeyKind;
use moneyer_identity::KeySet;
use serde_json::{Value, json};

use crate::world::{World, charter};

async fn documents(kind: KeyKind) -> (Value, Value) {
    let world = World::chartered(moneyer_authority::Charter {
        key_kinds: KeyKinds::only(kind),
        ..charter()
    })
    .await;
    let published = world.authority.published();
    let key_set = serde_json::to_vec(&published.key_set).unwrap();
    assert_eq!(KeySet::parse(&key_set).unwrap().iter().count(), 1, "our own reader takes it");
    let metadata = serde_json::to_value(&published.metadata).unwrap();
    (serde_json::from_slice(&key_set).unwrap(), metadata)
}

fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_key_has_the_members_of_its_kind_and_no_other() {
    let (key_set, _) = documents(KeyKind::Rsa2048).await;
    assert_eq!(members(&key_set), ["keys"]);
    let key = &key_set["keys"][0];
    assert_eq!(members(key), ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!((&key["kty"], &key["use"]), (&json!("RSA"), &json!("sig")));
    assert_eq!((&key["alg"], &key["e"]), (&json!("RS256"), &json!("AQAB")));
    assert_eq!(key["kid"].as_str().unwrap().len(), 43, "a SHA-256 thumbprint");
    assert_eq!(key["n"].as_str().unwrap().len(), 342, "2048 bits without a leading zero byte");
    let (key_set, _) = documents(KeyKind::P256).await;
    let key = &key_set["keys"][0];
    assert_eq!(members(key), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!((&key["kty"], &key["alg"]), (&json!("EC"), &json!("ES256")));
}

#[tokio::test]
async fn the_metadata_is_the_strict_profile() {
    let (_, metadata) = documents(KeyKind::Rsa2048).await;
    let expected = json!({
        "issuer": "https://id.example.com",
        "jwks_uri": "https://id.example.com/.well-known/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": [
            "iss", "sub", "aud", "iat", "nbf", "exp", "jti", "organization_id", "cluster_id",
            "app", "app_uid", "sandbox_id", "runner_id", "identity_type", "system_workload", "role",
            "spiffe_id", "policies", "participant_context", "act", "kubernetes.io",
        ],
    });
    assert_eq!(metadata, expected);
    let (_, metadata) = documents(KeyKind::P256).await;
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["ES256"]));
}

#[tokio::test]
async fn a_token_carries_no_claim_that_is_not_published() {
    use moneyer_authority::mint::Ask;
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let sandbox = crate::world::sandbox("web-1");
    let minted = world.authority.mint(&one, &sandbox, Ask::default()).await.unwrap();
    let claims = crate::claims::verified(&world, &minted, "moneyer");
    let published = world.authority.published().metadata.claims_supported;
    for name in claims.claims().keys() {
        assert!(published.contains(name), "{name}");
    }
}
