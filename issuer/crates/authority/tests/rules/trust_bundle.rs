//! The cluster's own trust bundle: what is in it, and its number.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::keys::{Import, KeyCommand, Line};
use moneyer_authority::store::{Change, Collection, Generation, Receive, Store, StoreError};
use moneyer_identity::spiffe::TrustBundle;
use moneyer_identity::{KeyId, VerifyingKey};
use moneyer_testkit::FixtureKey;
use moneyer_testkit::store::MemoryStore;

use crate::world::{World, charter, operator};

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
    assert_eq!(first.sequence(), Some(1));
    bundle.follow().await.unwrap();
    assert_eq!(bundle.now().sequence(), Some(1), "nothing has changed");
    prepare(&world).await;
    let mut changes = bundle.changes();
    bundle.follow().await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let second = bundle.now();
    assert_eq!((second.sequence(), kids(&second).len()), (Some(2), 2));
    // A turn of the active key is no change of what verifies.
    let again = world.reopened().await;
    assert_eq!(again.bundle().now(), second, "a restart is no change");
    assert_eq!(again.bundle().now().to_document(), second.to_document());
    again.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    again.bundle().follow().await.unwrap();
    assert_eq!(
        again.bundle().now().sequence(),
        Some(3),
        "an older content would have a new number too"
    );
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
    assert_eq!((after.sequence(), kids(&after).len()), (Some(2), 2));
}
