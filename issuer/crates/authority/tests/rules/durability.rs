//! The store and memory say the same: after a caller who hangs up, a failing store, a restart.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticateError, MemberKind, PeerLeaf};
use moneyer_authority::keys::KeyCommand;
use moneyer_authority::registry::{PageRequest, RegistryError};
use moneyer_authority::store::{Change, Collection, Generation, Receive, Store, StoreError};
use moneyer_identity::{ErrorClass, IssuerUrl};
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{ManualClock, MemberRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::world::{World, app, charter, open, operator, placement, sandbox};

/// Acknowledges a commit only when it is let, long after it happened.
#[derive(Debug)]
struct SlowStore {
    inner: MemoryStore,
    happened: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

#[async_trait]
impl Store for SlowStore {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        self.inner.load(collection, receive).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        let generation = self.inner.commit(changes).await?;
        self.happened.add_permits(1);
        self.let_go.acquire().await.unwrap().forget();
        Ok(generation)
    }

    fn generation(&self) -> Generation {
        self.inner.generation()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.inner.health()
    }
}

/// Apps with what they may do and how many sandboxes, sandboxes with where they are, members.
fn state(authority: &Authority) -> String {
    let registry = authority.registry();
    let page = registry.list_sandboxes(&PageRequest::default()).unwrap();
    assert_eq!(page.next, None);
    format!("{:#?} {:#?} {:#?}", registry.list_apps(), page.sandboxes, registry.list_members())
}

/// A cluster with the app `web` and two runners, whose store is slow from then on.
struct Slow {
    world: World,
    happened: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

impl Slow {
    async fn new() -> Self {
        let mut world = World::of_many_keys().await;
        world.put_app("web").await;
        world.join("runner-1").await;
        world.join("runner-2").await;
        let (happened, let_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inner = world.store.clone();
        let store = SlowStore { inner, happened: happened.clone(), let_go: let_go.clone() };
        world.authority = world.on(charter(), Arc::new(store)).await;
        Self { world, happened, let_go }
    }

    /// Until a commit has happened and is not yet acknowledged.
    async fn happened(&self) {
        self.happened.acquire().await.unwrap().forget();
    }

    /// Lets every other task run until it can go no further.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn put(&self, runner: &str) -> JoinHandle<Result<Generation, RegistryError>> {
        let registry = self.world.authority.registry().clone();
        let placed = placement("web-1", "web", runner, self.world.now());
        tokio::spawn(async move { registry.put_sandbox(&operator(), placed).await })
    }

    async fn check_against_the_store(&self) {
        assert_eq!(state(&self.world.authority), state(&self.world.reopened().await));
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_memory_and_store_equal() {
    let slow = Slow::new().await;
    let registry = slow.world.authority.registry();
    let put = slow.put("runner-1");
    slow.happened().await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    assert_eq!(registry.sandbox_count(), 0, "not acknowledged, not in force");
    slow.let_go.add_permits(2);
    // The change runs on: the next one of the same sandbox waits for it and builds on it.
    let generation = slow.put("runner-1").await.unwrap().unwrap();
    assert_eq!(registry.sandbox_count(), 1);
    assert_eq!(generation, slow.world.store.generation(), "nothing was written twice");
    slow.check_against_the_store().await;
}

#[tokio::test]
async fn a_withdrawal_whose_operator_hangs_up_is_in_force_all_the_same() {
    let slow = Slow::new().await;
    let authority = &slow.world.authority;
    let before = authority.keys().ring().keys()[0].record.key_id.clone();
    let mut changes = authority.keys().changes();
    let withdraw = tokio::spawn({
        let authority = authority.clone();
        async move { authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await }
    });
    slow.happened().await;
    withdraw.abort();
    assert!(withdraw.await.unwrap_err().is_cancelled());
    slow.let_go.add_permits(1);
    changes.changed().await.unwrap();
    let ring = authority.keys().ring();
    assert_ne!(ring.keys()[0].record.key_id, before, "another key signs");
    assert!(!ring.keys().iter().any(|key| key.record.key_id == before), "it is not published");
}

#[tokio::test]
async fn a_move_of_the_issuer_whose_operator_hangs_up_is_in_force_all_the_same() {
    let slow = Slow::new().await;
    let authority = &slow.world.authority;
    let moved = IssuerUrl::parse("https://moved.example.com").unwrap();
    let mut changes = authority.issuers().changes();
    let moving = tokio::spawn({
        let (authority, moved) = (authority.clone(), moved.clone());
        async move { authority.move_issuer(&operator(), &moved).await }
    });
    slow.happened().await;
    moving.abort();
    assert!(moving.await.unwrap_err().is_cancelled());
    slow.let_go.add_permits(1);
    changes.changed().await.unwrap();
    assert_eq!(authority.issuers().list().current(), &moved);
}

#[tokio::test]
async fn changes_of_one_sandbox_follow_each_other() {
    let slow = Slow::new().await;
    let first = slow.put("runner-1");
    slow.happened().await;
    let second = slow.put("runner-2");
    slow.settle().await;
    slow.let_go.add_permits(2);
    assert!(first.await.unwrap().unwrap() < second.await.unwrap().unwrap());
    slow.check_against_the_store().await;
}

#[tokio::test]
async fn an_app_is_in_use_while_a_sandbox_of_it_is_being_placed() {
    let slow = Slow::new().await;
    let put = slow.put("runner-1");
    slow.happened().await;
    let registry = slow.world.authority.registry().clone();
    let remove = tokio::spawn(async move { registry.remove_app(&operator(), app("web")).await });
    slow.settle().await;
    slow.let_go.add_permits(2);
    put.await.unwrap().unwrap();
    let refused = remove.await.unwrap();
    assert!(matches!(refused, Err(RegistryError::AppInUse { sandboxes: 1, .. })), "{refused:?}");
    slow.check_against_the_store().await;
}

#[tokio::test]
async fn a_removal_waits_for_the_renewal_before_it() {
    let slow = Slow::new().await;
    // The invitation and the joining are stored too.
    slow.let_go.add_permits(2);
    let (_, leaf) = slow.world.join("runner-1").await;
    for _ in 0..2 {
        slow.happened().await;
    }
    let authority = slow.world.authority.clone();
    let caller = authority.authenticate(&leaf).unwrap();
    let (request, now) = (MemberRequest::p256().der, slow.world.now());
    let renew = tokio::spawn({
        let (enrollment, leaf) = (authority.enrollment().clone(), leaf.clone());
        async move { enrollment.renew(caller, leaf, request, now).await }
    });
    slow.happened().await;
    let registry = authority.registry().clone();
    let remove = tokio::spawn(async move {
        registry.remove_member(&operator(), MemberKind::Runner, "runner-1".to_owned()).await
    });
    slow.settle().await;
    slow.let_go.add_permits(2);
    let renewed = PeerLeaf::parse(&renew.await.unwrap().unwrap().der).unwrap();
    remove.await.unwrap().unwrap();
    for leaf in [leaf, renewed] {
        assert_eq!(authority.authenticate(&leaf), Err(AuthenticateError::Removed));
    }
    slow.check_against_the_store().await;
}

#[tokio::test]
async fn a_refusing_store_changes_nothing_in_memory() {
    let world = World::new().await;
    let ((one, _), (two, _)) = (world.join("runner-1").await, world.join("runner-2").await);
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let before = state(&world.authority);
    world.store.set_unavailable(true);
    let refused = world.try_place("web-1", "web", "runner-2").await.unwrap_err();
    assert!(matches!(refused, RegistryError::Store(StoreError::Unavailable(_))));
    assert_eq!(refused.class(), ErrorClass::Unavailable);
    let registry = world.authority.registry();
    assert!(registry.remove_sandbox(&operator(), sandbox("web-1")).await.is_err());
    assert!(registry.remove_app(&operator(), app("web")).await.is_err());
    assert_eq!(state(&world.authority), before);
    assert!(registry.permit(&one, &sandbox("web-1")).is_ok());
    assert!(registry.permit(&two, &sandbox("web-1")).is_err());
    // Nor does minting need it.
    let ask = moneyer_authority::mint::Ask::default();
    assert!(world.authority.mint(&one, &sandbox("web-1"), ask).await.is_ok());
    world.store.set_unavailable(false);
    world.place("web-1", "web", "runner-2").await;
    assert!(registry.permit(&two, &sandbox("web-1")).is_ok());
}

#[tokio::test]
async fn a_restart_finds_everything_as_it_was() {
    let world = World::new().await;
    world.join("runner-1").await;
    world.join("runner-2").await;
    world.put_app_limited("web", &["https://rp.example.com"]).await;
    world.put_app("api").await;
    world.clock.advance(Duration::from_secs(9));
    world.place("web-1", "web", "runner-1").await;
    world.place("web-2", "web", "runner-1").await;
    world.place("api-1", "api", "runner-1").await;
    world.place("api-1", "api", "runner-2").await;
    world.take_away("web-2").await;
    let again = world.reopened().await;
    assert_eq!(state(&again), state(&world.authority));
    assert_eq!(
        again.enrollment().authority().certificate(),
        world.authority.enrollment().authority().certificate()
    );
    // And it can be changed: the revisions are those of the store.
    let placed = placement("web-1", "web", "runner-2", world.now());
    again.registry().put_sandbox(&operator(), placed).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_is_named_and_nothing_starts() {
    for (collection, damage) in [
        (Collection::Sandboxes, r#"{"id":"web-1"}"#),
        (Collection::Apps, r#"{"name":"a:b"}"#),
        (Collection::Members, "{}"),
        (Collection::JoinTokens, "null"),
        (Collection::Keys, "[]"),
        (Collection::Authorities, ""),
        (Collection::X509Authorities, "{}"),
    ] {
        let store = MemoryStore::default();
        let id = "broken".to_owned();
        let expected = moneyer_authority::store::Expected::Absent;
        let change =
            Change { collection, id, expected, value: Some(damage.as_bytes().to_vec().into()) };
        store.commit(vec![change]).await.unwrap();
        let refused = open(charter(), Arc::new(store), &ManualClock::default()).await.unwrap_err();
        let mut chain = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&refused);
        while let Some(error) = cause {
            chain.push(error.to_string());
            cause = error.source();
        }
        let named = format!("the {} record broken is damaged", collection.as_str());
        assert!(chain.contains(&named), "{chain:?}");
    }
}
