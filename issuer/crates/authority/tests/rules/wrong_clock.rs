//! A clock that is wrong: nothing is minted, no key is retired, and it ends by itself (F11, F12).

use std::time::Duration;

use moneyer_authority::keys::KeyCommand;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_identity::{ClockFault, ErrorClass};
use moneyer_testkit::START;

use crate::world::{DAY, HOUR, World, operator, sandbox};

const FAULT: ClockFault =
    ClockFault::Jumped { by: Duration::from_secs(365 * 86_400), forward: true };

#[tokio::test]
async fn nothing_is_minted_until_it_is_right_again() {
    let world = World::new().await;
    let (runner, _) = world.join("runner-1").await;
    world.put_app("app").await;
    world.place("one", "app", "runner-1").await;
    let one = sandbox("one");
    let ask = Ask::default;
    world.clock.fail(Some(FAULT));
    let authority = &world.authority;
    let mut refused = vec![
        authority.mint(&runner, &one, ask()).await,
        authority.mint_any(&operator(), &one, ask()).await,
    ];
    refused.extend(authority.mint_all(&runner, vec![(one.clone(), ask()); 2]).await);
    assert_eq!(refused.len(), 4);
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(matches!(error, MintError::Clock(FAULT)), "{error}");
        assert_eq!(error.class(), ErrorClass::Unavailable);
        assert_eq!(error.told(), "no token can be minted at this time");
    }
    world.clock.fail(None);
    authority.mint(&runner, &one, ask()).await.unwrap();
}

// An emergency does not wait for a clock.
#[tokio::test]
async fn a_key_is_withdrawn_at_any_time_the_clock_tells() {
    let world = World::of_many_keys().await;
    let authority = &world.authority;
    let signs = || authority.keys().ring().keys()[0].record.key_id.clone();
    world.clock.advance(365 * DAY);
    for (fault, moved_to) in [
        (None, START.plus(365 * DAY).minus(HOUR)),
        (Some(FAULT), START.minus(HOUR)),
        (Some(FAULT), START.plus(800 * DAY)),
        (Some(FAULT), START),
        (None, START.plus(365 * DAY)),
    ] {
        let before = signs();
        world.clock.fail(fault);
        world.clock.set(moved_to);
        authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
        assert_ne!(signs(), before);
        let listed = authority.published().key_set;
        assert!(!listed.iter().any(|key| *key.key_id() == before), "{moved_to:?}");
        // What was stored is sound.
        assert_eq!(world.reopened().await.keys().ring().keys()[0].record.key_id, signs());
    }
}

// P24: no mass retirement.
#[tokio::test]
async fn no_key_changes_until_it_is_right_again() {
    let world = World::new().await;
    let before = world.authority.published().key_set;
    world.clock.fail(Some(FAULT));
    world.clock.advance(365 * DAY);
    assert!(world.authority.rotate().await.is_empty());
    world.authority.prune_issuers().await.unwrap();
    let after = world.authority.published().key_set;
    assert_eq!(before.iter().count(), after.iter().count());
    world.clock.fail(None);
    assert!(!world.authority.rotate().await.is_empty());
}
