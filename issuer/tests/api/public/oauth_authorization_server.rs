//! `GET /.well-known/oauth-authorization-server` (RFC 8414).

use moneyer_daemon::unix_http::Method;

use serde_json::json;

use crate::public::behaves_as_a_document;
use crate::world::{World, ask, json as read};

#[tokio::test]
async fn the_metadata_is_the_discovery_document() {
    let world = World::start().await;
    let metadata = behaves_as_a_document(&world, "/.well-known/oauth-authorization-server").await;
    let discovery = world.public(Method::GET, "/.well-known/openid-configuration", &[]).await;
    assert_eq!(metadata.body, discovery.body);
}

/// Section 3.1 inserts the path between host and issuer path; clients that append are answered too.
#[tokio::test]
async fn an_issuer_with_a_path_has_both_forms() {
    let world = World::with(&[("ISSUER__URL", "https://example.com/a")]).await;
    let inserted = behaves_as_a_document(&world, "/.well-known/oauth-authorization-server/a").await;
    let appended = behaves_as_a_document(&world, "/a/.well-known/oauth-authorization-server").await;
    assert_eq!(inserted.body, appended.body);
}

#[tokio::test]
async fn where_clients_reach_the_exchange_is_told_with_the_one_grant_it_has() {
    let path = "/.well-known/oauth-authorization-server";
    let world = World::with(&[
        ("LISTEN__EXCHANGE", "127.0.0.1:0"),
        ("EXCHANGE__PUBLIC_URL", "https://exchange.example.com/a"),
    ])
    .await;
    let metadata = behaves_as_a_document(&world, path).await;
    let discovery = world.public(Method::GET, "/.well-known/openid-configuration", &[]).await;
    let mut expected = read(&discovery);
    // Relying parties of tokens have no use for it.
    assert!(expected.get("token_endpoint").is_none());
    expected["token_endpoint"] = json!("https://exchange.example.com/a/token");
    expected["grant_types_supported"] = json!(["urn:ietf:params:oauth:grant-type:token-exchange"]);
    expected["token_endpoint_auth_methods_supported"] = json!(["none"]);
    assert_eq!(read(&metadata), expected);
    let exchange = world.app.addresses().exchange.clone().unwrap();
    assert_eq!(ask(&exchange, Method::GET, path, &[], &[]).await.body, metadata.body);
}

#[tokio::test]
async fn without_a_url_of_the_exchange_nothing_is_told_of_it() {
    let world = World::with(&[("LISTEN__EXCHANGE", "127.0.0.1:0")]).await;
    let metadata = world.public(Method::GET, "/.well-known/oauth-authorization-server", &[]).await;
    let metadata = read(&metadata);
    for member in ["token_endpoint", "grant_types_supported"] {
        assert!(metadata.get(member).is_none(), "{member}");
    }
}
