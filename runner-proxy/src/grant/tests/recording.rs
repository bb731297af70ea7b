//! No token is used that is not recorded.

use std::time::Duration;

use tokio::time::advance;

use super::endpoint::World;
use crate::grant::GrantError;

#[tokio::test]
async fn each_token_is_recorded_once_and_nothing_of_it_or_its_assertion() {
    let world = World::start().await;
    let key = world.key();
    for _ in 0..3 {
        assert_eq!(world.token(&key).await.unwrap(), "token-1");
    }
    assert_eq!(world.recorded.all("event"), ["token_granted"]);
    let mut other = world.key();
    other.revision = "2".to_owned();
    world.token(&other).await.unwrap();
    assert_eq!(world.recorded.all("revision"), ["1", "2"]);
    let text = format!("{:?}", world.recorded.kept());
    for canary in ["token-1", "token-2", "svid of"] {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
}

#[tokio::test]
async fn where_it_cannot_be_recorded_there_is_no_new_token_and_nobody_is_asked_for_one() {
    let world = World::start().await;
    let (first, mut second) = (world.key(), world.key());
    assert_eq!(world.token(&first).await.unwrap(), "token-1");
    second.grant.audience = None;
    world.recorded.fail(true);
    let error = world.token(&second).await.unwrap_err();
    assert!(matches!(*error, GrantError::Unrecorded(_)), "{error:?}");
    assert_eq!(world.endpoint.asked(), 1);
    assert_eq!(world.token(&first).await.unwrap(), "token-1", "what is in hand serves on");
    world.recorded.fail(false);
    tokio::time::pause();
    advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(world.token(&second).await.unwrap(), "token-2", "it goes on by itself");
}

#[tokio::test]
async fn a_token_whose_record_is_not_durable_in_time_is_not_used() {
    let world = World::start().await;
    world.recorded.hang(true);
    let error = world.token(&world.key()).await.unwrap_err();
    assert!(matches!(*error, GrantError::Unrecorded(_)), "{error:?}");
    assert_eq!(world.endpoint.asked(), 1);
    world.recorded.hang(false);
    tokio::time::pause();
    advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(world.token(&world.key()).await.unwrap(), "token-2", "the first is gone");
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_recorded_by_class_and_reason_and_in_no_word_of_its_own() {
    let world = World::start().await;
    let mut key = world.key();
    world.endpoint.then(400, r#"{"error":"canary","error_description":"canary svid of s"}"#);
    world.token(&key).await.unwrap_err();
    world.endpoint.then(503, "canary");
    key.revision = "2".to_owned();
    world.token(&key).await.unwrap_err();
    world.endpoint.then(200, "canary");
    key.revision = "3".to_owned();
    world.token(&key).await.unwrap_err();
    world.endpoint.then(200, "canary");
    key.revision = "4".to_owned();
    world.token(&key).await.unwrap_err();
    assert_eq!(world.recorded.all("event"), ["token_not_granted"; 3], "the fourth is counted");
    assert_eq!(world.recorded.all("class"), ["denied", "unavailable", "internal"]);
    let reasons = ["endpoint_refused", "endpoint_refused", "malformed_answer"];
    assert_eq!(world.recorded.all("reason"), reasons);
    let text = format!("{:?}", world.recorded.kept());
    assert!(!text.contains("canary") && !text.contains("svid of"), "{text}");
}
