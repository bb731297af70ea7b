//! A runner's view of its sandboxes: everything, then each change, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::registry::{PlacementChange, Revoked, SandboxSubscription};
use moneyer_authority::store::{Change, Collection, Expected, Store as _};
use moneyer_identity::{AppUid, Audience, SandboxId};
use tokio::time::timeout;

use crate::world::{World, audience, operator, placement, runner, sandbox};

/// Far more changes than a watcher may fall behind.
const TOO_MANY: usize = 1_000;

/// What a runner makes of what it is told.
#[derive(Debug, Default, PartialEq, Eq)]
struct View {
    sandboxes: BTreeMap<SandboxId, (AppUid, Vec<Audience>)>,
    complete: usize,
}

impl View {
    fn take(&mut self, change: PlacementChange) {
        match change {
            PlacementChange::All(all, _) => {
                self.complete += 1;
                let entry = |(placed, app): (Arc<moneyer_authority::registry::Placed>, Arc<_>)| {
                    let app: Arc<moneyer_authority::registry::App> = app;
                    (placed.sandbox.id.clone(), (app.uid.clone(), app.audiences.clone()))
                };
                self.sandboxes = all.into_iter().map(entry).collect();
            }
            PlacementChange::Placed(placed, app, _) => {
                let what = (app.uid.clone(), app.audiences.clone());
                self.sandboxes.insert(placed.sandbox.id.clone(), what);
            }
            PlacementChange::Removed(id, _) => drop(self.sandboxes.remove(&id)),
            PlacementChange::Revoked => panic!("the end is an error, not a change"),
        }
    }

    fn ids(&self) -> Vec<&str> {
        self.sandboxes.keys().map(SandboxId::as_str).collect()
    }
}

/// The next change. A test that would wait for ever fails instead.
async fn next(subscription: &mut SandboxSubscription) -> Result<PlacementChange, Revoked> {
    timeout(Duration::from_secs(20), subscription.next()).await.expect("nothing was told")
}

async fn is_quiet(subscription: &mut SandboxSubscription) -> bool {
    timeout(Duration::from_millis(20), subscription.next()).await.is_err()
}

#[tokio::test]
async fn each_stay_of_an_id_on_a_runner_has_a_number_of_its_own() {
    let world = World::new().await;
    for name in ["runner-1", "runner-2"] {
        world.join(name).await;
    }
    for app in ["web", "api"] {
        world.put_app(app).await;
    }
    let number = |authority: &moneyer_authority::Authority| {
        let placed = authority.registry().find_sandbox(&sandbox("s-1")).unwrap();
        placed.placement.unwrap().get()
    };
    world.place("s-1", "web", "runner-1").await;
    let mut numbers = vec![number(&world.authority)];
    // What it may do here changes, and it is still the same; so it is after a restart.
    let mut same = placement("s-1", "web", "runner-1", world.now());
    same.role = Some(moneyer_identity::RoleName::parse("writer").unwrap());
    world.authority.registry().put_sandbox(&operator(), same).await.unwrap();
    assert_eq!(number(&world.authority), numbers[0]);
    assert_eq!(number(&world.reopened().await), numbers[0]);
    for (app, on) in [("web", "runner-2"), ("web", "runner-1"), ("api", "runner-1")] {
        world.place("s-1", app, on).await;
        numbers.push(number(&world.authority));
    }
    world.take_away("s-1").await;
    world.place("s-1", "api", "runner-1").await;
    numbers.push(number(&world.authority));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 5, "{numbers:?}");
}

/// A record of before there were numbers has none until the sandbox is placed anew.
#[tokio::test]
async fn a_sandbox_without_a_number_is_placed_all_the_same() {
    let world = World::new().await;
    world.join("runner-1").await;
    world.put_app("web").await;
    let record = r#"{"id":"s-1","app":"web","runner":"runner-1","placed_at":0}"#;
    let change = Change {
        collection: Collection::Sandboxes,
        id: "s-1".to_owned(),
        expected: Expected::Absent,
        value: Some(record.as_bytes().to_vec().into()),
    };
    world.store.commit(vec![change]).await.unwrap();
    let again = world.reopened().await;
    let placed = |again: &moneyer_authority::Authority| {
        again.registry().find_sandbox(&sandbox("s-1")).unwrap()
    };
    assert_eq!(placed(&again).placement, None);
    let mut next = placement("s-1", "web", "runner-1", world.now());
    next.role = Some(moneyer_identity::RoleName::parse("writer").unwrap());
    again.registry().put_sandbox(&operator(), next).await.unwrap();
    assert!(placed(&again).placement.is_some());
}

#[tokio::test]
async fn first_everything_then_each_change() {
    let world = World::new().await;
    let ((one, _), (two, _)) = (world.join("runner-1").await, world.join("runner-2").await);
    world.put_app("web").await;
    let generation = world.place("web-1", "web", "runner-1").await;
    let registry = world.authority.registry();
    let (mut first, mut second) = (registry.watch(&one).unwrap(), registry.watch(&two).unwrap());
    let mut view = View::default();
    let all = next(&mut first).await.unwrap();
    assert!(matches!(&all, PlacementChange::All(all, at) if all.len() == 1 && *at == generation));
    view.take(all);
    assert!(matches!(next(&mut second).await, Ok(PlacementChange::All(all, _)) if all.is_empty()));

    world.place("web-2", "web", "runner-1").await;
    view.take(next(&mut first).await.unwrap());
    assert_eq!(view.ids(), ["web-1", "web-2"]);
    let moved = world.place("web-1", "web", "runner-2").await;
    let change = next(&mut first).await.unwrap();
    let left = matches!(&change, PlacementChange::Removed(id, at)
        if *id == sandbox("web-1") && *at == moved);
    assert!(left, "{change:?}");
    view.take(change);
    assert_eq!(view.ids(), ["web-2"]);
    let change = next(&mut second).await.unwrap();
    let came = matches!(&change, PlacementChange::Placed(placed, _, at)
        if placed.sandbox.runner == runner("runner-2") && *at == moved);
    assert!(came, "{change:?}");

    world.put_app("api").await;
    world.put_app_limited("web", &["https://rp.example.com"]).await;
    view.take(next(&mut first).await.unwrap());
    let allowed = &view.sandboxes[&sandbox("web-2")].1;
    assert_eq!(*allowed, [audience("https://rp.example.com")]);
    world.take_away("web-2").await;
    view.take(next(&mut first).await.unwrap());
    assert_eq!(view.ids(), [""; 0]);
    assert!(is_quiet(&mut first).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_falls_between_everything_and_the_changes() {
    let world = Arc::new(World::new().await);
    let (one, _) = world.join("runner-1").await;
    world.join("runner-2").await;
    world.put_app("web").await;
    let mut movers = tokio::task::JoinSet::new();
    for mover in 0..6_usize {
        let world = world.clone();
        movers.spawn(async move {
            for turn in 0..150_usize {
                let id = format!("web-{}-{}", mover, turn % 7);
                match (mover + turn) % 4 {
                    0 => drop(world.take_away(&id).await),
                    1 => drop(world.place(&id, "web", "runner-2").await),
                    _ => drop(world.place(&id, "web", "runner-1").await),
                }
                tokio::task::yield_now().await;
            }
        });
    }
    // Watchers that begin at different moments, none of which is the first.
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push((world.authority.registry().watch(&one).unwrap(), View::default()));
        tokio::task::yield_now().await;
        for (subscription, view) in &mut watchers {
            if let Ok(change) = timeout(Duration::ZERO, subscription.next()).await {
                view.take(change.unwrap());
            }
        }
    }
    movers.join_all().await;
    world.place("the-last", "web", "runner-1").await;
    let mut all = View::default();
    all.take(next(&mut world.authority.registry().watch(&one).unwrap()).await.unwrap());
    assert!(all.sandboxes.len() > 1);
    for (mut subscription, mut view) in watchers {
        while !view.sandboxes.contains_key(&sandbox("the-last")) {
            view.take(next(&mut subscription).await.unwrap());
        }
        assert_eq!(view.sandboxes, all.sandboxes);
    }
}

#[tokio::test]
async fn a_watcher_that_fell_behind_gets_everything_anew_and_then_each_change() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    let mut subscription = world.authority.registry().watch(&one).unwrap();
    let mut view = View::default();
    view.take(next(&mut subscription).await.unwrap());
    for turn in 0..TOO_MANY {
        world.place(&format!("web-{turn:04}"), "web", "runner-1").await;
    }
    view.take(next(&mut subscription).await.unwrap());
    assert_eq!((view.complete, view.sandboxes.len()), (2, TOO_MANY));
    assert!(is_quiet(&mut subscription).await);
    world.take_away("web-0007").await;
    view.take(next(&mut subscription).await.unwrap());
    assert_eq!((view.complete, view.sandboxes.len()), (2, TOO_MANY - 1));
}

#[tokio::test]
async fn a_runner_is_followed_for_as_long_as_somebody_watches() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    let registry = world.authority.registry();
    assert!(!registry.is_followed("runner-1"));
    let (first, mut second) = (registry.watch(&one).unwrap(), registry.watch(&one).unwrap());
    drop(first);
    assert!(registry.is_followed("runner-1"));
    assert!(!registry.is_followed("runner-2"));
    second.everything().unwrap();
    assert!(registry.is_followed("runner-1"), "it only began anew");
    drop(second);
    assert!(!registry.is_followed("runner-1"));
}

#[tokio::test]
async fn removing_the_runner_ends_every_watch_of_it() {
    let world = World::new().await;
    let ((one, _), (two, _)) = (world.join("runner-1").await, world.join("runner-2").await);
    let registry = world.authority.registry();
    let mut fresh = registry.watch(&one).unwrap();
    let mut waiting = registry.watch(&one).unwrap();
    let mut other = registry.watch(&two).unwrap();
    next(&mut waiting).await.unwrap();
    next(&mut other).await.unwrap();
    let waits = tokio::spawn(async move { next(&mut waiting).await.map(drop) });
    world.remove_runner("runner-1").await;
    assert_eq!(waits.await.unwrap(), Err(Revoked));
    // What it was owed from before its removal it may still read, and nothing after.
    assert!(matches!(next(&mut fresh).await, Ok(PlacementChange::All(..))));
    assert_eq!(next(&mut fresh).await.map(drop), Err(Revoked));
    assert_eq!(next(&mut fresh).await.map(drop), Err(Revoked));
    assert_eq!(registry.watch(&one).map(drop), Err(Revoked));
    assert!(is_quiet(&mut other).await);
}

#[tokio::test]
async fn a_watcher_that_fell_behind_past_its_removal_is_told_so() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    let mut late = world.authority.registry().watch(&one).unwrap();
    let mut rejoined = world.authority.registry().watch(&one).unwrap();
    for subscription in [&mut late, &mut rejoined] {
        next(subscription).await.unwrap();
    }
    for turn in 0..TOO_MANY {
        world.place(&format!("web-{turn:04}"), "web", "runner-1").await;
    }
    world.remove_runner("runner-1").await;
    assert_eq!(next(&mut late).await.map(drop), Err(Revoked));
    // Not even where a runner of that name has joined since: this watch was opened by the old one.
    world.join("runner-1").await;
    assert_eq!(next(&mut rejoined).await.map(drop), Err(Revoked));
    assert!(world.authority.registry().watch(&one).is_ok());
}
