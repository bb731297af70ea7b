//! The authorities of SVIDs: how the ring comes to be, and what it goes through.

use std::time::Duration;

use moneyer_authority::keys::{
    CommandError, KeyCommand, KeyState, KeysError, Line, RingError, Step,
};
use moneyer_authority::store::{Change, Collection, Expected, Store as _, Stored};
use moneyer_authority::svid::{SvidError, X509Plan};
use moneyer_authority::{Authority, Charter, OpenError};
use moneyer_identity::{Clock as _, KeyId, ProvenTime};
use moneyer_testkit::{MemberRequest, START, openssl_verifies};
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, World, charter, operator, sandbox};
use crate::x509_svids::{bundle, parse};

const SECOND: Duration = Duration::from_secs(1);

/// The states of the bundle's authorities, in its order, and of the withdrawn ones after.
fn states(authority: &Authority) -> Vec<KeyState> {
    authority.x509_authorities().ring().records().map(|record| record.state).collect()
}

fn active(authority: &Authority) -> KeyId {
    let ring = authority.x509_authorities().ring();
    ring.bundle().next().unwrap().record().key_id.clone()
}

/// The steps that are done at this moment, and the bundle follows.
async fn look(world: &World) -> Vec<&'static str> {
    let done = rotate(world).await;
    follow(world).await;
    done
}

async fn follow(world: &World) {
    world.authority.bundle().follow().await.unwrap();
}

/// The steps alone.
async fn rotate(world: &World) -> Vec<&'static str> {
    let mut done = Vec::new();
    for (step, outcome) in world.authority.rotate_x509().await {
        outcome.unwrap();
        done.push(step.as_str());
    }
    done
}

/// Since `before`: the events and what is told of them.
fn told(world: &World, before: usize) -> Vec<Value> {
    let mut records = world.audit.records().split_off(before);
    for record in &mut records {
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, _| !matches!(name.as_str(), "seq" | "time" | "who" | "decision"));
    }
    records
}

use KeyState::{Active, Prepared, Retiring, Withdrawn};

#[tokio::test]
async fn the_first_authority_signs_at_once_and_that_is_recorded() {
    let world = World::new().await;
    assert_eq!(states(&world.authority), [Active]);
    let kid = active(&world.authority);
    let not_after = world.authority.x509_authorities().ring().records().next().unwrap().not_after;
    let of_authorities: Vec<_> = told(&world, 0)
        .into_iter()
        .filter(|record| record["event"].as_str().unwrap().starts_with("x509_authority"))
        .collect();
    assert_eq!(
        of_authorities,
        [
            json!({"event": "x509_authority_prepared", "kid": kid, "not_after": not_after.0}),
            json!({"event": "x509_authority_activated", "kid": kid, "exception": "first key"}),
        ]
    );
}

#[tokio::test]
async fn a_restart_has_the_same_authorities_and_writes_nothing() {
    let world = World::new().await;
    world.authority.command_x509(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    follow(&world).await;
    let (before, generation) = (bundle(&world.authority), world.store.generation());
    assert_eq!(before.len(), 2);
    let again = world.reopened().await;
    assert_eq!(bundle(&again), before);
    assert_eq!(world.store.generation(), generation);
    // Its private keys too.
    again.command_x509(&operator(), &KeyCommand::Rotate).await.unwrap();
    assert!(again.x509_authorities().ring().signing(world.now()).is_some());
}

/// A whole round: what is done when, in which states that leaves the bundle, and what is told.
#[tokio::test]
async fn a_round_is_prepared_a_day_before_and_ends_when_the_last_svid_is_dead() {
    let world = World::new().await;
    let first = active(&world.authority);
    assert_eq!(look(&world).await, [""; 0]);
    world.clock.advance((29 * DAY).saturating_sub(SECOND));
    assert_eq!(look(&world).await, [""; 0]);
    world.clock.advance(SECOND);
    let before = world.audit.records().len();
    assert_eq!(look(&world).await, ["prepare"]);
    assert_eq!(states(&world.authority), [Active, Prepared]);
    assert_eq!(bundle(&world.authority).len(), 2, "in the bundle from now on");
    assert_eq!(look(&world).await, ["publish"]);
    world.clock.advance(DAY.saturating_sub(SECOND));
    assert_eq!(look(&world).await, [""; 0]);
    let early = world.authority.judge_x509(&operator(), &KeyCommand::Activate(None)).unwrap_err();
    assert!(matches!(early, KeysError::X509Command(CommandError::TooEarly { .. })), "{early}");
    let text = early.to_string();
    assert!(text.contains("trust bundle") && !text.contains("key set"), "{text}");
    world.clock.advance(SECOND);
    assert_eq!(look(&world).await, ["activate"]);
    assert_eq!(states(&world.authority), [Active, Retiring]);
    let second = active(&world.authority);
    assert_ne!(first, second);
    // The first may have signed until a day, its margin, after its round: a coordinator that was frozen
    // went by that. Its last SVID lives an hour.
    let dead = 3 * DAY + HOUR + Duration::from_secs(5 * 60);
    world.clock.advance(dead.saturating_sub(SECOND));
    assert_eq!(look(&world).await, [""; 0]);
    world.clock.advance(SECOND);
    assert_eq!(look(&world).await, ["prune"]);
    assert_eq!(states(&world.authority), [Active]);
    let events: Vec<_> = told(&world, before);
    let event = |at: usize| (events[at]["event"].as_str().unwrap(), &events[at]["kid"]);
    assert_eq!(event(0), ("x509_authority_prepared", &json!(second)));
    let mut change = [event(1), event(2)];
    change.sort_by_key(|(event, _)| *event);
    assert_eq!(change[0], ("x509_authority_activated", &json!(second)));
    assert_eq!(change[1], ("x509_authority_retired", &json!(first)));
    assert_eq!(event(3), ("x509_authority_pruned", &json!(first)));
    assert_eq!(events.len(), 4);
}

#[tokio::test]
async fn a_private_key_is_kept_no_longer_than_it_signs() {
    let world = World::new().await;
    world.clock.advance(29 * DAY);
    look(&world).await;
    look(&world).await;
    world.clock.advance(DAY);
    assert_eq!(look(&world).await, ["activate"]);
    let has_key = |stored: &Stored| {
        let record: Value = serde_json::from_slice(&stored.value).unwrap();
        (record["state"].as_str().unwrap().to_owned(), record.get("key").is_some())
    };
    let mut keys: Vec<_> =
        world.stored(Collection::X509Authorities).await.iter().map(has_key).collect();
    keys.sort();
    assert_eq!(keys, [("active".to_owned(), true), ("retiring".to_owned(), false)]);
    assert!(Collection::X509Authorities.is_secret() && Collection::X509Authorities.is_exported());
}

// What copies of the bundle list decides, where somebody serves some.
#[tokio::test]
async fn a_copy_that_lacks_a_prepared_authority_holds_it_up_and_the_active_one_signs_on() {
    let world = World::new().await;
    let x509 = world.authority.x509_authorities();
    let first = active(&world.authority);
    x509.served([first.clone()]);
    world.clock.advance(29 * DAY);
    assert_eq!(rotate(&world).await, ["prepare"]);
    for _ in 0..100 {
        world.clock.advance(DAY);
        let done = rotate(&world).await;
        assert!(done.iter().all(|step| *step == "extend"), "{done:?}");
        assert!(x509.ring().signing(world.now()).is_some(), "the active one signs on");
    }
    let all = || x509.ring().bundle().map(|one| one.record().key_id.clone()).collect::<Vec<_>>();
    x509.served(all());
    assert!(rotate(&world).await.contains(&"publish"));
    world.clock.advance(DAY / 2);
    x509.served([first.clone()]);
    assert!(rotate(&world).await.contains(&"lapse"), "caches that are filled now lack it");
    x509.served(all());
    assert!(rotate(&world).await.contains(&"publish"));
    // It is not known for a while: no time is lost, and nothing is done.
    x509.served_is_unknown();
    world.clock.advance(DAY);
    assert!(!rotate(&world).await.contains(&"activate"));
    x509.served(all());
    assert!(rotate(&world).await.contains(&"activate"));
    assert_ne!(active(&world.authority), first);
}

#[tokio::test]
async fn no_svid_outlives_its_authority_however_far_its_end_is_moved_out() {
    let world = World::new().await;
    let (runner, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let x509 = world.authority.x509_authorities();
    x509.served_is_unknown();
    let request = MemberRequest::p256().der;
    let der = x509.ring().bundle().next().unwrap().certificate().to_vec();
    let end = parse(&der).validity().not_after.timestamp();
    assert_eq!(x509.ring().records().next().unwrap().not_after.0, end);
    let lifetime = x509.plan().certificate_lifetime();
    assert!(lifetime > 365 * DAY + 32 * DAY);
    let sign = async || world.authority.sign_x509_svid(&runner, &sandbox("web-1"), &request).await;
    let mut signed = 0;
    while world.now().0 + 1800 < end {
        for (step, outcome) in world.authority.rotate_x509().await {
            outcome.unwrap();
            assert!(!matches!(step, Step::Activate(_)));
        }
        let svid = sign().await.unwrap();
        assert!(svid.not_after.0 <= end);
        let last = svid.not_after.minus(Duration::from_secs(1));
        for at in [world.now(), last] {
            openssl_verifies(&svid.certificates[0], &[&der], at).unwrap();
        }
        signed += 1;
        let left = Duration::from_secs((end - world.now().0).unsigned_abs());
        world.clock.advance(if left > DAY { DAY } else { left.min(Duration::from_secs(1200)) });
    }
    assert!(signed > 400, "{signed}");
    world.clock.advance(Duration::from_secs((end - world.now().0).unsigned_abs()));
    world.authority.rotate_x509().await;
    assert!(matches!(sign().await, Err(SvidError::NoAuthority)));
}

#[tokio::test]
async fn an_emergency_withdraws_what_signs_and_what_would_and_waits_for_no_clock() {
    let world = World::new().await;
    let authority = &world.authority;
    authority.command_x509(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    follow(&world).await;
    let before = bundle(authority);
    let seen = world.audit.records().len();
    world.clock.fail(Some(moneyer_identity::ClockFault::Jumped { by: DAY, forward: true }));
    let refused = authority.command_x509(&operator(), &KeyCommand::Rotate).await.unwrap_err();
    assert!(matches!(refused, KeysError::Clock(_)), "{refused}");
    authority.command_x509(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    world.clock.fail(None);
    assert_eq!(states(authority), [Active, Withdrawn, Withdrawn]);
    follow(&world).await;
    let now = bundle(authority);
    assert!(before.iter().all(|der| !now.contains(der)), "its SVIDs are believed no more");
    assert_eq!(authority.x509_authorities().ring().record().withdrawals, 1);
    let events: Vec<_> = told(&world, seen);
    let of = |event: &str| events.iter().filter(|one| one["event"] == event).count();
    assert_eq!(of("x509_authority_withdrawn"), 2);
    assert_eq!(of("x509_authority_prepared"), 1);
    let activated = events.iter().find(|one| one["event"] == "x509_authority_activated").unwrap();
    assert_eq!(activated["exception"], "emergency");
    // Withdrawn ones are forgotten when their SVIDs are dead, and never come back.
    world.clock.advance(HOUR + Duration::from_secs(300));
    look(&world).await;
    assert_eq!(states(authority), [Active]);
}

#[tokio::test]
async fn an_operator_asks_for_the_next_round_and_gives_up_what_is_prepared() {
    let world = World::new().await;
    let authority = &world.authority;
    let first = active(authority);
    let command = async |command| authority.command_x509(&operator(), &command).await;
    let nothing = command(KeyCommand::Activate(None)).await.unwrap_err();
    assert!(matches!(nothing, KeysError::X509Command(CommandError::NothingPrepared)), "{nothing}");
    assert!(nothing.to_string().contains("`moneyer key prepare --x509`"), "{nothing}");
    let second = command(KeyCommand::Prepare(Line::Second)).await.unwrap_err();
    assert!(matches!(second, KeysError::NoSuchLine), "{second}");
    let before = world.audit.records().len();
    command(KeyCommand::Rotate).await.unwrap();
    assert_eq!(told(&world, before), [json!({"event": "x509_rotation_requested"})]);
    assert_eq!(look(&world).await, ["prepare"]);
    assert_eq!(look(&world).await, ["publish"]);
    world.clock.advance(DAY);
    assert_eq!(look(&world).await, ["activate"]);
    assert_ne!(active(authority), first);
    assert!(!look(&world).await.contains(&"prepare"), "the round was held");
    let living = command(KeyCommand::Prune(Some(first))).await.unwrap_err();
    assert!(
        matches!(living, KeysError::X509Command(CommandError::LivingTokens { .. })),
        "{living}"
    );
    let text = living.to_string();
    assert!(text.contains("SVIDs") && !text.contains("token"), "{text}");

    command(KeyCommand::Prepare(Line::Primary)).await.unwrap();
    let ring = authority.x509_authorities().ring();
    let prepared = ring.records().find(|record| record.state == Prepared).unwrap();
    command(KeyCommand::Retire(prepared.key_id.clone())).await.unwrap();
    // It never signed: nothing has to outlive it.
    assert_eq!(look(&world).await, ["prune"]);
}

#[tokio::test]
async fn time_that_is_not_proven_brings_no_authority_to_sign_and_takes_none_away() {
    let world = World::new().await;
    world.clock.advance(29 * DAY);
    look(&world).await;
    look(&world).await;
    // A day has passed by the wall clock alone.
    world.clock.away(DAY);
    assert!(!look(&world).await.contains(&"activate"));
    world.clock.advance(DAY);
    assert!(look(&world).await.contains(&"activate"));
    world.clock.away(10 * DAY);
    assert!(!look(&world).await.contains(&"prune"));
    assert!(states(&world.authority).contains(&Retiring));
    let proven = ProvenTime::certain(world.clock.now());
    assert!(!world.authority.x509_authorities().due_by(&proven).is_empty());
}

#[tokio::test]
async fn a_store_that_is_away_changes_nothing_and_loses_nothing() {
    let world = World::new().await;
    world.clock.advance(29 * DAY);
    world.store.set_unavailable(true);
    let before = bundle(&world.authority);
    for (_, outcome) in world.authority.rotate_x509().await {
        outcome.unwrap_err();
    }
    assert_eq!(bundle(&world.authority), before);
    world.store.set_unavailable(false);
    assert_eq!(look(&world).await, ["prepare"]);
    world.audit.set_failing(true);
    let prepare = KeyCommand::Prepare(Line::Primary);
    let refused = world.authority.command_x509(&operator(), &prepare).await.unwrap_err();
    assert!(matches!(refused, KeysError::Audit(_)), "{refused}");
    world.audit.set_failing(false);
    follow(&world).await;
    assert_eq!(bundle(&world.authority).len(), 2);
}

#[tokio::test]
async fn a_longer_life_of_svids_keeps_the_authority_longer() {
    let world = World::new().await;
    let x509 = X509Plan::new(12 * HOUR, 30 * DAY, DAY).unwrap();
    let authority = world.reopened_as(Charter { x509, ..charter() }).await;
    let longest = |authority: &Authority| {
        let ring = authority.x509_authorities().ring();
        ring.records().next().unwrap().longest_lifetime.unwrap().seconds()
    };
    assert_eq!(longest(&authority), 12 * 3600);
    // A configuration that allows less from today on does not end the SVIDs of yesterday.
    let authority = world.reopened().await;
    assert_eq!(longest(&authority), 12 * 3600);
}

/// The record as it was stored, changed, in a store of its own.
async fn refused(change: impl FnOnce(&mut Value, &mut Value)) -> RingError {
    let world = World::new().await;
    let other = World::new().await;
    let stored = world.stored(Collection::X509Authorities).await.remove(0);
    let mut record: Value = serde_json::from_slice(&stored.value).unwrap();
    let others = other.stored(Collection::X509Authorities).await.remove(0);
    let mut others: Value = serde_json::from_slice(&others.value).unwrap();
    change(&mut record, &mut others);
    let change = Change {
        collection: Collection::X509Authorities,
        id: stored.id,
        expected: Expected::Revision(stored.revision),
        value: Some(serde_json::to_vec(&record).unwrap().into()),
    };
    world.store.commit(vec![change]).await.unwrap();
    match world.try_reopened_as(charter()).await {
        Err(OpenError::X509Authorities(KeysError::Ring(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_that_are_no_ring_are_not_taken_up() {
    let keys = refused(|record, other| record["key"] = other["key"].take()).await;
    assert!(matches!(keys, RingError::Certificate { .. }), "{keys}");
    let certificate =
        refused(|record, other| record["certificate"] = other["certificate"].take()).await;
    assert!(matches!(certificate, RingError::Certificate { .. }), "{certificate}");
    let named = refused(|record, _| record["key_id"] = json!("a")).await;
    assert!(matches!(named, RingError::Certificate { .. }), "{named}");
    let none = refused(|record, _| record["state"] = json!("retiring")).await;
    assert!(matches!(none, RingError::Active(0)), "{none}");
    let shut = refused(|record, _| record["key"] = Value::Null).await;
    assert!(matches!(shut, RingError::NotOpened(_)), "{shut}");
    let times = refused(|record, _| record["sign_until"] = json!(START.0 - 1)).await;
    assert!(matches!(times, RingError::Times(_)), "{times}");
}
