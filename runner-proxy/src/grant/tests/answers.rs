//! What a token endpoint may answer, as far as it is no answer at all.

use moneyer_daemon::oauth::TokenEndpointError;

use super::endpoint::World;
use crate::grant::GrantError;

fn is_unreachable(error: &GrantError) -> bool {
    matches!(error, GrantError::Endpoint(TokenEndpointError::Unreachable(_)))
}

#[tokio::test]
async fn redirects_are_not_followed_and_size_is_limited() {
    let world = World::start().await;
    world.endpoint.then(307, "/elsewhere");
    let error = world.token(&world.key()).await.unwrap_err();
    assert!(is_unreachable(&error), "{error}");
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
    assert!(is_unreachable(&error), "{error}");
    assert_eq!(began.elapsed().as_secs(), 30);
}
