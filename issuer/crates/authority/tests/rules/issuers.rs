//! Moving the issuer: what tokens name, what stays served, and what the next start makes of it.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::audit::Actor;
use moneyer_authority::issuers::{Issuers, IssuersError};
use moneyer_authority::keys::Schedule;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::{Charter, OpenError};
use moneyer_identity::{ErrorClass, IssuerUrl};
use moneyer_testkit::START;
use moneyer_testkit::store::MemoryStore;

use crate::world::{DAY, HOUR, World, audience, charter, issuer, ledger, open, operator, workload};

fn url(text: &str) -> IssuerUrl {
    IssuerUrl::parse(text).unwrap()
}

async fn issuer_of_a_token(world: &World) -> String {
    let minted = world
        .authority
        .mint_system_any(&operator(), &workload("backup"), Ask::default())
        .await
        .unwrap();
    let token = moneyer_identity::UnverifiedToken::parse(minted.token.expose()).unwrap();
    token.issuer().unwrap().clone()
}

#[tokio::test]
async fn tokens_name_the_new_issuer_at_once_and_the_previous_one_stays_served() {
    let world = World::new().await;
    let before = world.authority.reissue();
    assert_eq!(issuer_of_a_token(&world).await, issuer().as_str());
    world.clock.advance(HOUR);
    let moved = url("https://new.example.com/cluster");
    world.authority.move_issuer(&operator(), &moved).await.unwrap();
    assert_eq!(issuer_of_a_token(&world).await, moved.as_str());
    assert_ne!(world.authority.reissue(), before, "whoever holds tokens is told");
    let published = world.authority.published();
    assert_eq!(published.metadata.issuer, moved);
    assert_eq!(published.previous.len(), 1);
    assert_eq!(published.previous[0].issuer, issuer());
    assert_eq!(published.previous[0].jwks_uri, "https://id.example.com/.well-known/jwks.json");
}

#[tokio::test]
async fn a_previous_issuer_ends_with_the_last_token_under_it_and_an_hour() {
    let world = World::new().await;
    world.authority.move_issuer(&operator(), &url("https://two.example.com")).await.unwrap();
    world.clock.advance(HOUR);
    world.authority.move_issuer(&operator(), &url("https://three.example.com")).await.unwrap();
    let previous = |world: &World| {
        let list = world.authority.issuers().list();
        list.previous().iter().map(|left| left.issuer.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(previous(&world), ["https://two.example.com", "https://id.example.com"]);
    world.clock.set(START.plus(DAY + HOUR).minus(Duration::from_secs(1)));
    world.authority.prune_issuers().await.unwrap();
    assert_eq!(previous(&world).len(), 2);
    world.clock.advance(Duration::from_secs(1));
    world.authority.prune_issuers().await.unwrap();
    assert_eq!(previous(&world), ["https://two.example.com"]);
}

#[tokio::test]
async fn no_token_is_meant_for_an_issuer_of_the_cluster() {
    let world = World::new().await;
    world.authority.move_issuer(&operator(), &url("https://two.example.com")).await.unwrap();
    for own in ["https://id.example.com", "https://two.example.com"] {
        let ask = Ask { audiences: vec![audience(own)], ..Ask::default() };
        let refused = world.authority.mint_system_any(&operator(), &workload("backup"), ask).await;
        assert!(matches!(refused, Err(MintError::AudienceDenied(_))), "{own}: {refused:?}");
    }
}

// Case 167.
#[tokio::test]
async fn a_start_with_another_issuer_is_refused_and_one_with_a_previous_one_goes_on() {
    let world = World::new().await;
    let start = async |configured: &str| {
        let charter = Charter { issuer: url(configured), ..charter() };
        open(charter, Arc::new(world.store.clone()), &world.clock).await
    };
    let refused = start("https://other.example.com").await.unwrap_err();
    let OpenError::Issuers(error @ IssuersError::Configured { .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("`moneyer issuer move https://other.example.com`"));
    world.authority.move_issuer(&operator(), &url("https://other.example.com")).await.unwrap();
    for configured in ["https://id.example.com", "https://other.example.com"] {
        let authority = start(configured).await.unwrap();
        assert_eq!(authority.issuer().as_str(), "https://other.example.com");
    }
}

#[tokio::test]
async fn moving_back_and_forth_is_a_move_and_moving_nowhere_is_none() {
    let world = World::new().await;
    let same = world.authority.move_issuer(&operator(), &issuer()).await.unwrap_err();
    assert_eq!(same.class(), ErrorClass::Conflict);
    world.clock.advance(HOUR);
    world.authority.move_issuer(&operator(), &url("https://two.example.com")).await.unwrap();
    world.clock.advance(HOUR);
    world.authority.move_issuer(&operator(), &issuer()).await.unwrap();
    let list = world.authority.issuers().list();
    assert_eq!(list.current(), &issuer());
    assert_eq!(list.previous().len(), 1);
}

// P1: tokens of yesterday live as long as yesterday's configuration allowed.
#[tokio::test]
async fn a_configuration_that_allows_shorter_lives_ends_no_issuer_and_no_key_early() {
    let world = World::new().await;
    let old_key = world.authority.keys().ring().keys()[0].record.clone();
    world.authority.move_issuer(&operator(), &url("https://two.example.com")).await.unwrap();
    let schedule = Schedule::new(30 * DAY, DAY, HOUR, HOUR).unwrap();
    let authority = world.reopened_as(Charter { schedule, ..charter() }).await;
    assert_eq!(authority.issuers().list().previous()[0].until, START.plus(DAY + HOUR));
    let until = authority.issuers().list().previous()[0].until;
    world.clock.set(until.minus(Duration::from_secs(1)));
    authority.prune_issuers().await.unwrap();
    assert_eq!(authority.issuers().list().previous().len(), 1);
    let ring = authority.keys().ring();
    let times = ring.records().find(|key| key.key_id == old_key.key_id).unwrap().times(None);
    assert_eq!(times.longest_lifetime, Some(DAY), "it is the one that signed for a day each");
}

// P1: the same for an issuer that the cluster comes back to.
#[tokio::test]
async fn an_issuer_that_is_moved_back_to_keeps_the_longest_life_of_its_tokens() {
    let world = World::new().await;
    world.authority.move_issuer(&operator(), &url("https://two.example.com")).await.unwrap();
    let schedule = Schedule::new(30 * DAY, DAY, HOUR, HOUR).unwrap();
    let authority = world.reopened_as(Charter { schedule, ..charter() }).await;
    authority.move_issuer(&operator(), &issuer()).await.unwrap();
    authority.move_issuer(&operator(), &url("https://two.example.com")).await.unwrap();
    let list = authority.issuers().list();
    let left = list.previous().iter().find(|left| left.issuer == issuer()).unwrap();
    assert_eq!(left.until, START.plus(DAY + HOUR), "tokens of a day were minted under it");
}

#[tokio::test]
async fn a_list_has_an_end() {
    let world = World::new().await;
    for number in 0..32 {
        let next = url(&format!("https://{number}.example.com"));
        world.authority.move_issuer(&operator(), &next).await.unwrap();
    }
    let one_more = url("https://one-more.example.com");
    let refused = world.authority.move_issuer(&operator(), &one_more).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Exhausted);
}

#[tokio::test]
async fn issuers_of_another_system_are_taken_over() {
    let issuers =
        Issuers::open(ledger(&MemoryStore::default()), &issuer(), DAY, START).await.unwrap();
    let old = url("https://old.example.com");
    issuers.adopt(&Actor::System, &[(old.clone(), START)]).await.unwrap();
    issuers.adopt(&Actor::System, &[(old.clone(), START)]).await.unwrap();
    assert_eq!(issuers.list().previous()[0].issuer, old);
    assert_eq!(issuers.list().previous()[0].until, START.plus(DAY + HOUR));
}
