//! The store and memory say the same: after a caller who hangs up, a failing store, a restart.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::Authority;
use moneyer_authority::registry::{PageRequest, RegistryError};
use moneyer_authority::store::{Change, Collection, Generation, Receive, Store, StoreError};
use moneyer_identity::ErrorClass;
use moneyer_testkit::ManualClock;
use moneyer_testkit::store::MemoryStore;
use tokio::sync::Semaphore;

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

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_memory_and_store_equal() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    let (happened, let_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let inner = world.store.clone();
    let slow = SlowStore { inner, happened: happened.clone(), let_go: let_go.clone() };
    let authority = open(charter(), Arc::new(slow), &world.clock).await.unwrap();
    let registry = authority.registry().clone();
    let put = tokio::spawn({
        let (registry, placed) =
            (registry.clone(), placement("web-1", "web", "runner-1", world.now()));
        async move { registry.put_sandbox(&operator(), placed).await }
    });
    happened.acquire().await.unwrap().forget();
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    assert!(registry.permit(&one, &sandbox("web-1")).is_err(), "not acknowledged, not in force");
    let_go.add_permits(1);
    // The change runs on: the next one of the same sandbox waits for it and builds on it.
    let_go.add_permits(1);
    let moved = placement("web-1", "web", "runner-1", world.now());
    let generation = registry.put_sandbox(&operator(), moved).await.unwrap();
    assert!(registry.permit(&one, &sandbox("web-1")).is_ok());
    assert_eq!(generation, world.store.generation(), "nothing was written twice");
    assert_eq!(state(&authority), state(&world.reopened().await));
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
    ] {
        let store = MemoryStore::default();
        let id = "broken".to_owned();
        let expected = moneyer_authority::store::Expected::Absent;
        let change = Change { collection, id, expected, value: Some(damage.into()) };
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
