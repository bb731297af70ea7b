//! Copies in a directory, in a bucket and on a server: byte for byte what is served, bundles and key sets first.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use axum::http::StatusCode;
use moneyer_daemon::unix_http::Method;
use serde_json::json as value;

use super::site::{Site, until};
use crate::world::{World, json, problem};

const PATHS: [&str; 6] = [
    "/.well-known/spiffe-bundle",
    "/.well-known/spiffe-bundle.pem",
    "/.well-known/spiffe-jwks.json",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

fn written(status: &serde_json::Value) -> bool {
    let target = &status["targets"][0];
    target["written_at"].is_number() && target["problem"].is_null()
}

async fn served(world: &World, path: &str) -> Vec<u8> {
    world.public(Method::GET, path, &[]).await.body
}

fn secret(directory: &Path, text: &str) -> String {
    let path = directory.join("secret");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_directory_holds_what_is_served_and_follows_every_change() {
    let www = tempfile::tempdir().unwrap();
    let root = www.path().to_str().unwrap();
    let alias = r#"["/keys"]"#;
    let world = World::with(&[("PUBLISH__DIRECTORY", root), ("ISSUER__JWKS_ALIASES", alias)]).await;
    until(&world, "never written", written).await;
    for path in PATHS.iter().chain(&["/keys"]) {
        let file = www.path().join(path.trim_start_matches('/'));
        assert_eq!(std::fs::read(&file).unwrap(), served(&world, path).await, "{path}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    }
    let well_known = www.path().join(".well-known");
    assert_eq!(well_known.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_dir(&well_known).unwrap().count(), PATHS.len(), "nothing else");

    let before = std::fs::read(well_known.join("jwks.json")).unwrap();
    world.manage(Method::POST, "/keys", r#"{"command":"emergency"}"#).await;
    for _ in 0..500 {
        if std::fs::read(well_known.join("jwks.json")).unwrap() != before {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let after = std::fs::read(well_known.join("jwks.json")).unwrap();
    assert_ne!(after, before, "a withdrawn key is still in the copy");
    assert_eq!(after, served(&world, "/.well-known/jwks.json").await);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_not_made_and_is_written_once_it_is() {
    let parent = tempfile::tempdir().unwrap();
    let www = parent.path().join("www");
    let root = www.to_str().unwrap();
    let world = World::with(&[("PUBLISH__DIRECTORY", root)]).await;
    let status =
        until(&world, "no problem told", |status| status["targets"][0]["problem"].is_string());
    let told = status.await["targets"][0]["problem"].as_str().unwrap().to_owned();
    assert_eq!(told, format!("{root} is not a directory; make it, or mount what belongs there"));
    assert!(!www.exists());
    // All coordinators of this process have one recorder, and the last to copy says how it went.
    let mut said = String::new();
    for _ in 0..100 {
        world.manage(Method::POST, "/publish", "").await;
        let metrics = world.operations(Method::GET, "/metrics").await.body;
        said = String::from_utf8(metrics).unwrap();
        if said.contains("moneyer_published 0") {
            break;
        }
    }
    assert!(said.contains("moneyer_published 0"), "{said}");
    std::fs::create_dir(&www).unwrap();
    let status = json(&world.manage(Method::POST, "/publish", "").await);
    assert!(written(&status), "{status:#}");
}

#[tokio::test]
async fn without_copies_nothing_is_published() {
    let world = World::start().await;
    let none = value!({ "targets": [] });
    assert_eq!(json(&world.manage(Method::GET, "/publish", "").await), none);
    let refused = world.manage(Method::POST, "/publish", "").await;
    assert!(problem(&refused, 409).starts_with("no copies are configured: set publish.directory"));
}

#[tokio::test]
async fn a_server_gets_bundles_and_key_sets_first_with_their_headers_and_the_bearer_of_the_moment()
{
    let site = Site::start().await;
    let keys = tempfile::tempdir().unwrap();
    let bearer = secret(keys.path(), "first-token\n");
    site.refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    let url = format!("{}/sites/prod-1/", site.url);
    let world =
        World::with(&[("PUBLISH__SERVER__URL", &url), ("PUBLISH__SERVER__BEARER_FILE", &bearer)])
            .await;
    let refused =
        until(&world, "no problem told", |status| status["targets"][0]["problem"].is_string());
    let told = refused.await["targets"][0]["problem"].as_str().unwrap().to_owned();
    let expected = format!(
        "{url}.well-known/spiffe-bundle was not taken: the server answered 503 Service Unavailable (SlowDown)"
    );
    assert_eq!(told, expected);
    secret(keys.path(), "second-token\n");
    site.refuse(None);
    until(&world, "never tried again", written).await;
    let puts = site.puts();
    let places: Vec<_> = puts.iter().map(|put| put.at.as_str()).collect();
    let expected = PATHS.map(|path| format!("/sites/prod-1{path}"));
    assert_eq!(places[..PATHS.len()], expected.each_ref().map(String::as_str));
    for put in &puts {
        let (media_type, max_age) = match put.at.rsplit('/').next().unwrap() {
            "spiffe-bundle.pem" => ("application/pem-certificate-chain", 300),
            name if name.starts_with("spiffe") => ("application/json", 300),
            _ => ("application/json", 3600),
        };
        assert_eq!(put.headers["content-type"], media_type);
        assert_eq!(put.headers["cache-control"], format!("public, max-age={max_age}"));
        assert_eq!(put.headers["authorization"], "Bearer second-token");
    }
    for path in PATHS {
        let there = site.file(&format!("/sites/prod-1{path}")).unwrap();
        assert_eq!(there, served(&world, path).await, "{path}");
    }
}

#[tokio::test]
async fn a_bucket_gets_signed_requests_that_name_what_is_signed() {
    let site = Site::start().await;
    let keys = tempfile::tempdir().unwrap();
    let secret_key = secret(keys.path(), "secret-access-key");
    let world = World::with(&[
        ("PUBLISH__BUCKET__ENDPOINT", &site.url),
        ("PUBLISH__BUCKET__NAME", "public-documents"),
        ("PUBLISH__BUCKET__REGION", "eu-central-1"),
        ("PUBLISH__BUCKET__PREFIX", "/prod-1/"),
        ("PUBLISH__BUCKET__ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("PUBLISH__BUCKET__SECRET_KEY_FILE", &secret_key),
        ("PUBLISH__BUCKET__PATH_STYLE", "true"),
    ])
    .await;
    let status = until(&world, "never written", written).await;
    assert_eq!(status["targets"][0]["target"], "s3://public-documents/prod-1");
    for (put, path) in site.puts().iter().zip(PATHS) {
        let (at, query) = put.at.split_once('?').unwrap();
        assert_eq!(at, format!("/public-documents/prod-1{path}"));
        assert!(
            query.contains("X-Amz-SignedHeaders=cache-control%3Bcontent-type%3Bhost"),
            "{query}"
        );
        assert!(query.contains("X-Amz-Credential=AKIAEXAMPLE%2F"), "{query}");
        assert!(query.contains("%2Feu-central-1%2Fs3%2Faws4_request"), "{query}");
        assert!(!put.at.contains("secret-access-key"));
    }
}
