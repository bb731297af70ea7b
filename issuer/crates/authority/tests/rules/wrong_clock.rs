//! A clock that is wrong: nothing is minted, no key is retired, and it ends by itself (F11, F12).

use std::time::Duration;

use moneyer_authority::keys::{KeyCommand, Line, Step};
use moneyer_authority::mint::{Ask, MintError};
use moneyer_identity::{Clock as _, ClockFault, ErrorClass, IssuerUrl};
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

// What a dry run says is what the command then does.
#[tokio::test]
async fn a_dry_run_goes_by_the_time_that_the_command_goes_by() {
    let world = World::of_many_keys().await;
    let authority = &world.authority;
    let judge = |command: &KeyCommand| authority.judge_keys(&operator(), command);
    authority.command_keys(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    let listed: Vec<_> = authority.published().key_set.iter().map(|k| k.key_id().clone()).collect();
    authority.keys().served(listed);
    authority.rotate().await;
    // Days have passed by the wall clock, and none that is certain.
    world.clock.away(2 * DAY);
    let activate = KeyCommand::Activate(None);
    let (tried, done) = (judge(&activate), authority.command_keys(&operator(), &activate).await);
    assert_eq!(tried.unwrap_err().to_string(), done.unwrap_err().to_string());
    world.clock.advance(2 * DAY);
    assert!(judge(&activate).is_ok());
    world.clock.fail(Some(FAULT));
    for command in [activate, KeyCommand::Prepare(Line::Primary), KeyCommand::Prune(None)] {
        let tried = judge(&command).unwrap_err();
        assert_eq!(tried.class(), ErrorClass::Unavailable, "{tried}");
    }
    assert!(judge(&KeyCommand::Emergency(None)).is_ok());
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

// P24: a start with a clock that is ahead.
#[tokio::test]
async fn no_key_leaves_the_set_and_none_signs_early_while_its_time_is_not_proven() {
    let world = World::new().await;
    let (keys, rounds) = (world.authority.keys(), 120);
    let served =
        || keys.served(world.authority.published().key_set.iter().map(|k| k.key_id().clone()));
    let first = world.authority.published().key_set;
    for _ in 0..rounds {
        served();
        world.clock.away(DAY);
        for (step, outcome) in world.authority.rotate().await {
            outcome.unwrap();
            assert!(!matches!(step, Step::Activate(_) | Step::Prune(_)), "{step:?}");
        }
        let now = world.authority.published().key_set;
        assert!(first.iter().all(|key| now.iter().any(|there| there.key_id() == key.key_id())));
        let signing = keys.ring().signing_key(world.clock.now()).is_some();
        assert!(signing, "the active key signs on");
    }
    let refused = world.authority.command_keys(&operator(), &KeyCommand::Activate(None)).await;
    assert!(refused.is_err(), "an operator is not believed either");
    let mut done = Vec::new();
    for _ in 0..rounds {
        served();
        world.clock.advance(DAY);
        done.extend(world.authority.rotate().await.into_iter().map(|(step, _)| step.as_str()));
    }
    assert!(done.contains(&"activate") && done.contains(&"prune"), "{done:?}");
}

// Neither is held up by absences of before it was set.
#[tokio::test]
async fn keys_change_and_end_where_a_coordinator_is_away_half_its_time() {
    let world = World::of_many_keys().await;
    let keys = world.authority.keys();
    let first = world.authority.published().key_set;
    let mut activated = 0;
    for half_day in 0..240 {
        keys.served(world.authority.published().key_set.iter().map(|k| k.key_id().clone()));
        for (step, outcome) in world.authority.rotate().await {
            outcome.unwrap();
            activated += u32::from(matches!(step, Step::Activate(_)));
        }
        let half = DAY / 2;
        if half_day % 2 == 0 { world.clock.advance(half) } else { world.clock.away(half) }
    }
    assert_eq!(activated, 3, "one in 30 days, and a day more each");
    let listed = world.authority.published().key_set;
    assert!(first.iter().all(|key| listed.iter().all(|there| there.key_id() != key.key_id())));
    assert!(listed.iter().count() <= 4, "{}", listed.iter().count());
}

#[tokio::test]
async fn a_previous_issuer_ends_when_its_time_is_proven() {
    let world = World::new().await;
    let moved = IssuerUrl::parse("https://new.example.com").unwrap();
    world.authority.move_issuer(&operator(), &moved).await.unwrap();
    world.clock.away(20 * DAY);
    world.authority.prune_issuers().await.unwrap();
    assert_eq!(world.authority.issuers().list().previous().len(), 1);
    world.clock.advance(2 * DAY);
    world.authority.prune_issuers().await.unwrap();
    assert_eq!(world.authority.issuers().list().previous().len(), 0);
}

#[tokio::test]
async fn a_confirmation_is_recorded_before_it_acts_and_never_blind() {
    let world = World::new().await;
    let wall = world.clock.now();
    world.clock.fail(Some(FAULT));
    let authority = &world.authority;
    let blind = authority.confirm_clock(&operator(), wall.plus(Duration::from_secs(61))).await;
    let blind = blind.unwrap_err();
    assert_eq!(blind.class(), ErrorClass::Invalid, "{blind}");
    assert!(authority.sound_time().is_err());
    let confirmed =
        || world.audit.events().iter().filter(|event| *event == "clock_confirmed").count();
    assert_eq!(confirmed(), 0);

    world.audit.set_failing(true);
    let unrecorded = authority.confirm_clock(&operator(), wall).await.unwrap_err();
    assert_eq!(unrecorded.class(), ErrorClass::Unavailable, "{unrecorded}");
    assert!(authority.sound_time().is_err());

    world.audit.set_failing(false);
    let report = authority.confirm_clock(&operator(), wall).await.unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(confirmed(), 1);
    assert!(authority.sound_time().is_ok());
}
