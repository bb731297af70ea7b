//! The cluster's own trust bundle: what is in it, and its number.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::keys::{Import, KeyCommand, Line};
use moneyer_authority::store::{
    Change, Collection, Generation, Receipt, Receive, Store, StoreError,
};
use moneyer_identity::spiffe::TrustBundle;
use moneyer_identity::{KeyId, VerifyingKey};
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{FixtureKey, START};

use crate::world::{World, charter, operator};

fn number(bundle: &TrustBundle) -> u64 {
    bundle.sequence().unwrap()
}

fn kids(bundle: &TrustBundle) -> Vec<&KeyId> {
    bundle.jwt_authorities().iter().map(moneyer_identity::spiffe::JwtAuthority::key_id).collect()
}

async fn prepare(world: &World) {
    world.authority.command_keys(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
}

#[tokio::test]
async fn b2_its_number_grows_exactly_when_its_content_changes_and_never_returns() {
    let world = World::of_many_keys().await;
    let bundle = world.authority.bundle();
    let first = bundle.now();
    assert_eq!(number(&first), u64::try_from(START.0).unwrap());
    bundle.follow().await.unwrap();
    assert_eq!(bundle.now(), first, "nothing has changed");
    prepare(&world).await;
    let mut changes = bundle.changes();
    bundle.follow().await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let second = bundle.now();
    assert_eq!((number(&second), kids(&second).len()), (number(&first) + 1, 2));
    // A turn of the active key is no change of what verifies.
    let again = world.reopened().await;
    assert_eq!(again.bundle().now(), second, "a restart is no change");
    assert_eq!(again.bundle().now().to_document(), second.to_document());
    again.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    again.bundle().follow().await.unwrap();
    assert_eq!(number(&again.bundle().now()), number(&second) + 1);
}

/// The same records in another life of the store, as after a restored backup.
#[derive(Debug)]
struct Restored(MemoryStore);

#[async_trait]
impl Store for Restored {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        self.0.load(collection, receive).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        self.0.commit(changes).await
    }

    fn generation(&self) -> Generation {
        self.0.generation()
    }

    fn receipt(&self) -> Receipt {
        Receipt { incarnation: vec![1], generation: self.generation(), tag: Vec::new() }
    }

    fn health(&self) -> Result<(), StoreError> {
        self.0.health()
    }
}

#[tokio::test]
async fn b2_a_restored_store_gives_numbers_beyond_all_that_its_readers_have_seen() {
    let world = World::of_many_keys().await;
    let backup = world.authority.bundle().now();
    world.clock.advance(Duration::from_secs(100));
    prepare(&world).await;
    world.authority.bundle().follow().await.unwrap();
    let lost = number(&world.authority.bundle().now());
    assert_eq!(lost, number(&backup) + 100);
    world.clock.advance(Duration::from_secs(1));
    let store = Arc::new(Restored(world.store.clone()));
    let restored = world.on(charter(), store.clone()).await.bundle().now();
    assert!(number(&restored) > lost, "{restored:?}");
    let again = world.on(charter(), store).await.bundle().now();
    assert_eq!(again, restored, "a restart in the same life is no change");
}

#[tokio::test]
async fn o3_a_key_that_signs_no_svid_is_in_the_key_set_and_in_no_view_of_the_bundle() {
    let world = World::of_many_keys().await;
    let foreign = [FixtureKey::ED25519_B, FixtureKey::P256_B].map(|key| key.verifying_key());
    let import = foreign.iter().cloned().map(Import::verifying).collect();
    world.authority.import_keys(&operator(), import).await.unwrap();
    world.authority.bundle().follow().await.unwrap();
    let (published, bundle) = (world.authority.published(), world.authority.bundle().now());
    let views =
        [bundle.to_document(), bundle.to_jwks(), bundle.to_workload_jwks(), bundle.to_pem()];
    for key_id in foreign.iter().map(VerifyingKey::key_id) {
        assert!(published.key_set.find(key_id).is_some(), "{key_id}");
        assert!(views.iter().all(|view| !view.contains(key_id.as_str())), "{key_id}");
    }
    assert_eq!(kids(&bundle).len(), 1, "its own key is in it");
}

#[tokio::test]
async fn b3_readers_are_told_to_ask_five_times_before_a_new_key_signs() {
    let hint = |world: &World| world.authority.bundle().now().refresh_hint().unwrap();
    assert_eq!(hint(&World::new().await), Duration::from_secs(300));
    for (before_use, expected) in [(600, 120), (10, 2), (3, 1), (0, 300)] {
        let seconds = Duration::from_secs;
        let schedule = moneyer_authority::keys::Schedule::new(
            seconds(3600),
            seconds(before_use),
            Duration::from_secs(before_use.min(1)),
            seconds(3600),
        );
        let world = World::chartered(moneyer_authority::Charter {
            schedule: schedule.unwrap(),
            ..charter()
        });
        assert_eq!(hint(&world.await), seconds(expected), "{before_use}");
    }
}

/// Refuses to write the number of a bundle while it is told to.
#[derive(Debug)]
struct Forgetful(MemoryStore, Arc<std::sync::atomic::AtomicBool>);

#[async_trait]
impl Store for Forgetful {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        self.0.load(collection, receive).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        let number = changes.iter().any(|it| it.collection == Collection::BundleSequences);
        if number && self.1.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::Encode("not now".into()));
        }
        self.0.commit(changes).await
    }

    fn generation(&self) -> Generation {
        self.0.generation()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.0.health()
    }
}

#[tokio::test]
async fn nobody_is_told_new_content_before_its_number_is_durable() {
    let mut world = World::of_many_keys().await;
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let store = Arc::new(Forgetful(world.store.clone(), fails.clone()));
    world.authority = world.on(charter(), store).await;
    let before = world.authority.bundle().now();
    prepare(&world).await;
    fails.store(true, std::sync::atomic::Ordering::SeqCst);
    world.authority.bundle().follow().await.unwrap_err();
    assert_eq!(world.authority.bundle().now(), before);
    assert_eq!(world.authority.published().key_set.iter().count(), 2, "the key set has it already");
    fails.store(false, std::sync::atomic::Ordering::SeqCst);
    world.authority.bundle().follow().await.unwrap();
    let after = world.authority.bundle().now();
    assert_eq!((number(&after), kids(&after).len()), (number(&before) + 1, 2));
}
