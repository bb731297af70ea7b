//! A whole coordinator behind a public host, and a static copy of what it once published.

use std::time::Duration;

use axum::http::HeaderValue;
use moneyer::doctor::{Finding, Inside, InsideKey, OwnToken, Severity};
use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_identity::{IssuerUrl, KeyId, Token};

use super::site::{Answered, DISCOVERY, ISSUER, KEY_SET, Site, ids};
use crate::world::{World, json};

fn as_served(answer: Answer) -> Answered {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let fields = ["content-type", "cache-control"];
    Answered {
        status: answer.status.as_u16(),
        fields: fields.map(|name| (name.to_owned(), text(&answer.headers[name]))).to_vec(),
        body: answer.body,
        after: Duration::ZERO,
    }
}

/// A public host that serves what the coordinator publishes now.
async fn public(world: &World) -> Site {
    Site {
        discovery: as_served(world.public(Method::GET, DISCOVERY, &[]).await),
        key_set: as_served(world.public(Method::GET, KEY_SET, &[]).await),
        ..Site::default()
    }
}

/// What the coordinator says now, with a token it minted.
async fn inside(world: &World) -> Inside {
    let keys = json(&world.manage(Method::GET, "/keys", "").await);
    let key = |key: &serde_json::Value| InsideKey {
        key_id: KeyId::parse(key["key_id"].as_str().unwrap()).unwrap(),
        state: serde_json::from_value(key["state"].clone()).unwrap(),
        published: key["published_at"].is_number(),
    };
    let minted = json(&world.manage(Method::POST, "/sandboxes/web-1/token", "{}").await);
    Inside {
        issuer: IssuerUrl::parse(ISSUER).unwrap(),
        jwks_uri: format!("{ISSUER}{KEY_SET}"),
        publish_before_use: Duration::from_secs(24 * 3600),
        keys: keys.as_array().unwrap().iter().map(key).collect(),
        subjects: Vec::new(),
        token: OwnToken::Minted(Token::new(minted["token"].as_str().unwrap().to_owned())),
    }
}

fn found<'a>(findings: &'a [Finding], id: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.id.as_str() == id).unwrap()
}

#[tokio::test]
async fn what_a_coordinator_publishes_passes_and_an_old_copy_does_not() {
    let world = World::with(&[("KEYS__ALGORITHM", "RS256")]).await;
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let copy = public(&world).await;
    let sound = copy.clone().examined(Some(&inside(&world).await)).await;
    assert_eq!(ids(&sound, Severity::Failure), [""; 0], "{sound:#?}");
    assert_eq!(ids(&sound, Severity::Warning), ["tls-root"], "{sound:#?}");
    assert_eq!(found(&sound, "token").severity, Severity::Ok);

    world.manage(Method::POST, "/keys", r#"{"command":"emergency"}"#).await;
    let stale = copy.examined(Some(&inside(&world).await)).await;
    let failures = ["active-key", "withdrawn-key", "token"];
    assert_eq!(ids(&stale, Severity::Failure), failures, "{stale:#?}");
    assert!(found(&stale, "token").found.contains("not in the issuer's key set"));
}

#[tokio::test]
async fn a_cluster_that_signs_es256_is_told_that_azure_is_left_out() {
    let world = World::start().await;
    let found = public(&world).await.examined(None).await;
    assert_eq!(ids(&found, Severity::Failure), ["algorithms"], "{found:#?}");
}
