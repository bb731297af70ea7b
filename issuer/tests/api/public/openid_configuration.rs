//! `GET /.well-known/openid-configuration`.

use moneyer::config::Config;
use moneyer_authority::keys::KeyKinds;
use moneyer_authority::signer::KeyKind;
use moneyer_daemon::settings::Source;
use moneyer_daemon::unix_http::Method;
use serde_json::json;

use crate::public::behaves_as_a_document;
use crate::world::{World, json, problem};

#[tokio::test]
async fn o8_discovery_names_the_issuer_and_its_key_set() {
    let world = World::start().await;
    let whole = behaves_as_a_document(&world, "/.well-known/openid-configuration").await;
    let expected = json!({
        "issuer": "https://id.example.com",
        "jwks_uri": "https://id.example.com/.well-known/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    let document = json(&whole);
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(document.get(name), Some(value), "{name}");
    }
}

#[test]
fn o7_rs256_is_what_a_new_cluster_signs_with() {
    let text = "issuer.url = 'https://id.example.com'";
    let source = Source::from_parts("moneyer.toml", text, "MONEYER", &[]);
    let (_, charter) = Config::load(&source).unwrap();
    assert_eq!(charter.key_kinds, KeyKinds::only(KeyKind::Rsa2048));
}

/// OpenID Connect Discovery 1.0 section 4: appended to the issuer, its path included.
#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_under_it() {
    let world = World::with(&[("ISSUER__URL", "https://example.com/tenants/a")]).await;
    let path = "/tenants/a/.well-known/openid-configuration";
    let document = json(&behaves_as_a_document(&world, path).await);
    assert_eq!(document["issuer"], "https://example.com/tenants/a");
    let key_set = "/tenants/a/.well-known/jwks.json";
    assert_eq!(document["jwks_uri"], format!("https://example.com{key_set}"));
    behaves_as_a_document(&world, key_set).await;
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        problem(&world.public(Method::GET, path, &[]).await, 404);
    }
}
