//! Tokens that are kept: for whom, for how long, and at what cost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use moneyer_identity::grant::{BearerToken, GrantKind, TokenType};
use tokio::time::advance;

use super::endpoint::World;
use crate::coordinator::Occupant;
use crate::fakes::sandbox;
use crate::grant::{GrantKey, TokenSource as _};

fn bearer(text: &str) -> BearerToken {
    BearerToken::parse(text.to_owned()).unwrap()
}

#[tokio::test]
async fn ten_thousand_at_once_cost_one_request() {
    let world = World::start().await;
    let key = world.key();
    world.endpoint.turns.forget_permits(usize::MAX);
    let asking = join_all((0..10_000).map(|_| world.token(&key)));
    let opening = async {
        while world.endpoint.asked() == 0 {
            tokio::task::yield_now().await;
        }
        world.endpoint.turns.add_permits(1);
    };
    let (tokens, ()) = tokio::join!(asking, opening);
    assert!(tokens.into_iter().all(|token| token.unwrap() == "token-1"));
    assert_eq!(world.endpoint.asked(), 1);
}

#[tokio::test]
async fn nothing_that_a_token_depends_on_is_shared() {
    let world = World::start().await;
    let first = world.key();
    world.token(&first).await.unwrap();
    let changes: Vec<fn(&mut GrantKey)> = vec![
        |key| key.grant.audience = None,
        |key| key.grant.scopes.truncate(1),
        |key| key.grant.scopes.reverse(),
        |key| key.grant.svid_audience = moneyer_identity::Audience::parse("x").unwrap(),
        |key| key.grant.kind = GrantKind::TokenExchange,
        |key| key.grant.requested_token_type = TokenType::parse("x").unwrap(),
        |key| key.grant.credential = moneyer_identity::CredentialName::parse("x").unwrap(),
        |key| key.holder.sandbox = sandbox("other"),
        |key| key.holder.occupant = Occupant::of_app("other"),
        |key| key.revision = "2".to_owned(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut key = first.clone();
        change(&mut key);
        let token = world.token(&key).await.unwrap();
        assert_eq!(token, format!("token-{}", number + 2));
    }
}

#[tokio::test]
async fn another_revision_drops_the_tokens_of_the_one_before() {
    let world = World::start().await;
    let (first, mut second) = (world.key(), world.key());
    second.revision = "2".to_owned();
    assert_eq!(world.token(&first).await.unwrap(), "token-1");
    assert_eq!(world.token(&second).await.unwrap(), "token-2");
    assert_eq!(world.token(&first).await.unwrap(), "token-3", "it was dropped");
    world.cache.retire(&sandbox("s"));
    assert_eq!(world.token(&first).await.unwrap(), "token-4");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_never_given_past_it() {
    let world = World::start().await;
    let key = world.key();
    assert_eq!(world.token(&key).await.unwrap(), "token-1");
    tokio::time::pause();
    // Of 300 s it is kept 270, and renewed after 216.
    advance(Duration::from_secs(215)).await;
    assert_eq!(world.token(&key).await.unwrap(), "token-1");
    assert_eq!(world.endpoint.asked(), 1);
    advance(Duration::from_secs(2)).await;
    assert_eq!(world.token(&key).await.unwrap(), "token-1", "served while it is renewed");
    tokio::time::resume();
    let renewed = async {
        while world.token(&key).await.unwrap() != "token-2" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), renewed).await.unwrap();
    tokio::time::pause();
    // The endpoint fails from here on: what is in hand serves to its end, and not beyond.
    for _ in 0..9 {
        world.endpoint.then(503, "");
    }
    advance(Duration::from_secs(268)).await;
    assert_eq!(world.token(&key).await.unwrap(), "token-2");
    advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    world.token(&key).await.unwrap_err();
}

#[tokio::test]
async fn a_time_of_the_profile_shortens_a_life_and_never_lengthens_it() {
    for (ttl, kept) in [(60, 60), (0, 270), (100_000, 270)] {
        let world = World::start().await;
        let mut key = world.key();
        key.grant.cache_ttl = Some(Duration::from_secs(ttl));
        world.token(&key).await.unwrap();
        tokio::time::pause();
        advance(Duration::from_secs(kept * 8 / 10 - 1)).await;
        assert_eq!(world.token(&key).await.unwrap(), "token-1");
        assert_eq!(world.endpoint.asked(), 1);
        advance(Duration::from_secs(kept * 2 / 10 + 2)).await;
        tokio::time::resume();
        assert_eq!(world.token(&key).await.unwrap(), "token-2", "{ttl}");
    }
}

#[tokio::test]
async fn a_token_that_an_upstream_refuses_is_dropped_once() {
    let world = World::start().await;
    let key = world.key();
    assert_eq!(world.token(&key).await.unwrap(), "token-1");
    world.cache.refused(&key, &bearer("another"));
    assert_eq!(world.token(&key).await.unwrap(), "token-1");
    world.cache.refused(&key, &bearer("token-1"));
    world.cache.refused(&key, &bearer("token-1"));
    assert_eq!(world.token(&key).await.unwrap(), "token-2");
    // Refused again at once: the upstream wants something else.
    world.cache.refused(&key, &bearer("token-2"));
    assert_eq!(world.token(&key).await.unwrap(), "token-2");
    assert_eq!(world.endpoint.asked(), 2);
}

#[tokio::test]
async fn a_failure_stands_for_a_moment_and_is_not_kept() {
    let world = World::start().await;
    let key = world.key();
    world.endpoint.then(400, r#"{"error":"invalid_client"}"#);
    let first = world.token(&key).await.unwrap_err();
    assert!(first.to_string().contains("invalid_client"), "{first}");
    let again = world.token(&key).await.unwrap_err();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(world.endpoint.asked(), 1);
    tokio::time::pause();
    advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(world.token(&key).await.unwrap(), "token-2");
}

#[tokio::test]
async fn one_sandbox_has_64_tokens_and_the_least_used_makes_room() {
    let world = World::start().await;
    let numbered = |number: usize| {
        let mut key = world.key();
        let name = format!("c{number}");
        key.grant.credential = moneyer_identity::CredentialName::parse(&name).unwrap();
        key
    };
    for number in 1..=64 {
        world.token(&numbered(number)).await.unwrap();
    }
    assert_eq!(world.token(&numbered(1)).await.unwrap(), "token-1");
    world.token(&numbered(65)).await.unwrap();
    assert_eq!(world.token(&numbered(1)).await.unwrap(), "token-1", "used lately");
    assert_eq!(world.token(&numbered(2)).await.unwrap(), "token-66", "it made room");
}

#[tokio::test]
async fn whoever_asked_may_go_and_the_token_is_there_for_the_next() {
    let world = World::start().await;
    let key = world.key();
    world.endpoint.turns.forget_permits(usize::MAX);
    let mut asking = Box::pin(world.token(&key));
    while world.endpoint.asked() == 0 {
        tokio::select! {
            _ = &mut asking => panic!("it was not its turn"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(asking);
    world.endpoint.turns.add_permits(1);
    assert_eq!(world.token(&key).await.unwrap(), "token-1");
}
