//! What a token endpoint may answer, and what is made of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use moneyer_identity::UnixTime;

use super::endpoint::World;
use crate::grant::answer::{Granted, read};
use crate::grant::error::GrantError;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn ok(body: &str) -> Result<Granted, GrantError> {
    read(StatusCode::OK, body.as_bytes(), NOW)
}

fn life(body: &str) -> u64 {
    ok(body).unwrap().life.as_secs()
}

#[test]
fn a_life_is_what_is_said_within_limits() {
    assert_eq!(life(r#"{"access_token":"a","expires_in":60,"token_type":"x","scope":1}"#), 60);
    assert_eq!(life(r#"{"access_token":"a","expires_in":86400}"#), 3600);
    for unsaid in ["", r#","expires_in":0"#, r#","expires_in":-1"#, r#","expires_in":null"#] {
        assert_eq!(life(&format!(r#"{{"access_token":"a"{unsaid}}}"#)), 300, "{unsaid}");
    }
}

#[test]
fn a_token_that_says_its_own_end_is_not_kept_past_it() {
    let jwt = |exp: i64| {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
        ok(&format!(r#"{{"access_token":"e30.{claims}.c2ln","expires_in":300}}"#))
    };
    assert_eq!(jwt(NOW.0 + 10).unwrap().life, Duration::from_secs(10));
    assert_eq!(jwt(NOW.0 + 1000).unwrap().life, Duration::from_secs(300));
    for past in [NOW.0, NOW.0 - 1, 0, i64::MIN] {
        assert!(matches!(jwt(past), Err(GrantError::Expired)), "{past}");
    }
}

#[test]
fn what_cannot_stand_on_a_request_is_no_token() {
    for token in ["", "=", "a b", r"a\r\nX: y", r"a\u0000", "a,b", "\u{e9}", "a=b"] {
        let refused = ok(&format!(r#"{{"access_token":"{token}"}}"#));
        assert!(matches!(refused, Err(GrantError::Token(_))), "{token}");
    }
    for body in ["", "{}", "[]", "null", r#"{"access_token":1}"#, r#"{"access_token":"a""#] {
        assert!(matches!(ok(body), Err(GrantError::Answer(_))), "{body}");
    }
}

#[test]
fn what_is_no_token_response_is_told_without_a_word_of_it() {
    let canary = "eyJhbGciOiJSUzI1NiJ9";
    for body in [
        format!(r#""{canary}""#),
        canary.to_owned(),
        format!(r#"[["{canary}"]]"#),
        format!(r#"{{"access_token":["{canary}"]}}"#),
        format!(r#"{{"access_token":"a","access_token":"{canary}"}}"#),
        format!(r#"{{"access_token":"a","expires_in":["{canary}"]}}"#),
    ] {
        let error = ok(&body).unwrap_err();
        assert!(matches!(error, GrantError::Answer(_)), "{body}");
        let told = format!("{error:?} {}", crate::chain(&error));
        assert!(!told.contains(canary) && !told.contains("eyJ"), "{told}");
    }
}

#[test]
fn a_life_may_be_written_as_a_text() {
    assert_eq!(life(r#"{"access_token":"a","expires_in":"60"}"#), 60);
    assert_eq!(life(r#"{"access_token":"a","expires_in":"soon"}"#), 300);
}

#[test]
fn an_error_is_repeated_only_where_it_is_one_and_made_fit_for_a_log() {
    let told =
        |body: &str| read(StatusCode::BAD_REQUEST, body.as_bytes(), NOW).unwrap_err().to_string();
    let says = "the token endpoint answered 400 Bad Request: ";
    assert_eq!(told(r#"{"error":"invalid_client"}"#), format!("{says}invalid_client"));
    let both = r#"{"error":"a\u001b[31m\r\nb","error_description":"c\u0000d"}"#;
    assert_eq!(told(both), format!("{says}a [31m  b (c d)"));
    let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(300));
    assert_eq!(told(&long).len(), says.len() + 256);
    for body in
        ["<html>secret</html>", "", r#""secret""#, r#"{"secret":1}"#, r#"{"error":["secret"]}"#]
    {
        assert_eq!(told(body), format!("{says}no OAuth error"), "{body}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_size_is_limited() {
    let world = World::start().await;
    world.endpoint.then(307, "/elsewhere");
    let error = world.token(&world.key()).await.unwrap_err();
    assert!(matches!(&*error, GrantError::Unreachable(_)), "{error}");
    assert_eq!(world.endpoint.asked(), 1);
    let mut other = world.key();
    other.revision = "2".to_owned();
    world.endpoint.then(200, &format!(r#"{{"access_token":"a","x":"{}"}}"#, "x".repeat(64 * 1024)));
    let error = world.token(&other).await.unwrap_err();
    assert!(crate::chain(&*error).contains("longer than 65536 bytes"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_given_up_after_half_a_minute() {
    let world = World::start().await;
    world.token(&world.key()).await.unwrap();
    world.endpoint.turns.forget_permits(usize::MAX);
    let mut other = world.key();
    other.revision = "2".to_owned();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = world.token(&other).await.unwrap_err();
    assert!(matches!(&*error, GrantError::Unreachable(_)), "{error}");
    assert_eq!(began.elapsed().as_secs(), 30);
}
