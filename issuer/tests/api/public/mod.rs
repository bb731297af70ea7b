//! `GET /.well-known/…` of the public listener.

use moneyer_daemon::unix_http::{Answer, Method};

use crate::world::{Field, World, field, problem};

mod acme;
mod connections;
mod key_set;
mod oauth_authorization_server;
mod openid_configuration;
mod spiffe_bundle;
mod spiffe_bundle_endpoint;
pub(crate) mod tls_client;
mod tls_files;

/// Fields and queries that a document's bytes must not depend on.
const CLAIMS_OF_A_REQUEST: [&[Field]; 6] = [
    &[("host", "evil.example")],
    &[("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http")],
    &[("forwarded", "host=evil.example;proto=http"), ("x-forwarded-prefix", "/evil")],
    &[("accept", "text/html")],
    &[("accept-encoding", "gzip, br"), ("accept-language", "de")],
    &[("x-original-url", "/evil"), ("origin", "https://evil.example")],
];

/// Everything that holds for each document, whatever is in it.
async fn behaves_as_a_document(world: &World, path: &str) -> Answer {
    behaves_as(world, path, ("application/json", 3600)).await
}

async fn behaves_as(world: &World, path: &str, (media_type, max_age): (&str, u32)) -> Answer {
    let whole = world.public(Method::GET, path, &[]).await;
    assert_eq!(whole.status, 200, "{path}");
    assert_eq!(field(&whole, "content-type"), media_type);
    assert_eq!(field(&whole, "cache-control"), format!("public, max-age={max_age}"));
    same_bytes_for_everyone(world, path, &whole).await;
    conditional(world, path, &whole).await;
    methods(world, path, &whole).await;
    whole
}

async fn same_bytes_for_everyone(world: &World, path: &str, whole: &Answer) {
    for fields in CLAIMS_OF_A_REQUEST {
        let answer = world.public(Method::GET, path, fields).await;
        assert_eq!((answer.status, &answer.body), (whole.status, &whole.body), "{fields:?}");
        assert_eq!(field(&answer, "etag"), field(whole, "etag"));
        assert_eq!(field(&answer, "access-control-allow-origin"), "", "no CORS was asked for");
    }
    let asked = format!("{path}?issuer=https://evil.example&jwks_uri=x");
    assert_eq!(world.public(Method::GET, &asked, &[]).await.body, whole.body);
}

/// RFC 9110 section 13.1.2: weak comparison, lists, `*`.
async fn conditional(world: &World, path: &str, whole: &Answer) {
    let etag = field(whole, "etag");
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20, "{etag}");
    let ask = async |tags: &str| {
        let address = &world.app.addresses().public;
        crate::world::ask(address, Method::GET, path, &[("if-none-match", tags)], &[]).await
    };
    let bare = etag.trim_matches('"');
    let list = format!("\"other\", W/\"more\",{etag}");
    for known in [etag, "*", &format!("W/{etag}"), &list] {
        let answer = ask(known).await;
        assert_eq!(answer.status, 304, "{known}");
        assert_eq!(answer.body, b"");
        assert_eq!(field(&answer, "etag"), etag, "RFC 9110 section 15.4.5");
        assert_eq!(field(&answer, "cache-control"), field(whole, "cache-control"));
    }
    for unknown in ["\"other\"", bare, "W/\"other\", \"more\"", &format!("w/{etag}"), ""] {
        let answer = ask(unknown).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &whole.body), "{unknown}");
    }
}

async fn methods(world: &World, path: &str, whole: &Answer) {
    let head = world.public(Method::HEAD, path, &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.body, b"");
    for name in ["etag", "cache-control", "content-type"] {
        assert_eq!(field(&head, name), field(whole, name), "{name}");
    }
    assert_eq!(field(&head, "content-length"), whole.body.len().to_string());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = world.public(method.clone(), path, &[]).await;
        problem(&answer, 405);
        assert_eq!(field(&answer, "allow"), "GET,HEAD", "{method}");
    }
}

/// Threat 189: what is not exactly a document's path is nothing.
#[tokio::test]
async fn nothing_is_served_beside_the_documents() {
    let world = World::start().await;
    for path in [
        "/",
        "/.well-known",
        "/.well-known/",
        "/.well-known/openid-configuration/",
        "//.well-known/openid-configuration",
        "/.well-known//openid-configuration",
        "/.well-known/./openid-configuration",
        "/x/../.well-known/openid-configuration",
        "/.well-known/%6fpenid-configuration",
        "/.well-known/openid-configuration%00",
        "/.well-known/openid-configuration;v=1",
        "/.well-known/OpenID-Configuration",
        "/.well-known/jwks.json.bak",
        "/api/v1/keys",
        "/metrics",
        "/livez",
    ] {
        let answer = world.public(Method::GET, path, &[]).await;
        problem(&answer, 404);
    }
}
