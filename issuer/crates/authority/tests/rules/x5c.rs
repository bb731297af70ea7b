//! Certificates over signing keys: published where they are asked for, and the same bytes for good.

use moneyer_authority::Charter;
use moneyer_authority::keys::{Import, KeyCommand, KeyKinds, KeyState, Line, Published};
use moneyer_authority::signer::KeyKind;
use moneyer_identity::{KeyCertificate, UnixTime};
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{FixtureKey, START};
use serde_json::Value;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::world::{DAY, World, charter, ledger, operator, schedule};

fn certified(key_kind: KeyKind) -> Charter {
    Charter { key_kinds: KeyKinds::only(key_kind), x5c: true, ..charter() }
}

fn bytes(published: &Published) -> Vec<u8> {
    serde_json::to_vec(&published.key_set).unwrap()
}

fn keys(published: &Published) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&bytes(published)).unwrap();
    document["keys"].as_array().unwrap().clone()
}

/// The DER of a published key's certificate.
fn der(key: &Value) -> Vec<u8> {
    let x5c = key["x5c"].as_array().unwrap();
    assert_eq!(x5c.len(), 1, "nothing stands over it");
    serde_json::from_value::<KeyCertificate>(x5c[0].clone()).unwrap().to_der().unwrap()
}

/// That it is over this key, signed by this key, and has no end.
fn assert_over(key: &Value, public: &moneyer_identity::VerifyingKey, made: UnixTime) {
    let der = der(key);
    let (rest, certificate) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    certificate.verify_signature(None).unwrap();
    assert_eq!(certificate.public_key().raw, public.to_der().unwrap());
    assert_eq!(certificate.subject(), certificate.issuer());
    assert_eq!(certificate.subject().to_string(), format!("CN={}", public.thumbprint()));
    let validity = certificate.validity();
    assert_eq!(validity.not_before.timestamp(), made.0);
    assert_eq!(validity.not_after.timestamp(), 253_402_300_799, "9999-12-31 23:59:59");
}

#[tokio::test]
async fn each_key_is_published_with_a_certificate_over_it_that_it_signed() {
    for (kind, fixture) in
        [(KeyKind::Rsa2048, FixtureKey::RSA_2048_A), (KeyKind::P256, FixtureKey::P256_A)]
    {
        let world = World::chartered(certified(kind)).await;
        let published = world.authority.published();
        let [key] = keys(&published).try_into().unwrap();
        assert_over(&key, &fixture.verifying_key(), START);
        // Nothing else is said of the key, and our own reader takes it.
        let plain =
            World::chartered(Charter { key_kinds: KeyKinds::only(kind), ..charter() }).await;
        let mut without = key.clone();
        without.as_object_mut().unwrap().remove("x5c");
        assert_eq!([without], *keys(&plain.authority.published()));
        let read = moneyer_identity::KeySet::parse(&bytes(&published)).unwrap();
        assert_eq!(read.iter().count(), 1);
    }
}

#[tokio::test]
async fn a_restart_changes_no_byte_and_writes_nothing() {
    let world = World::chartered(certified(KeyKind::P256)).await;
    let (before, generation) =
        (bytes(&world.authority.published()), world.authority.store().generation());
    world.clock.set(START.plus(DAY));
    let again = world.reopened_as(certified(KeyKind::P256)).await;
    assert_eq!(bytes(&again.published()), before);
    assert_eq!(again.store().generation(), generation);
}

#[tokio::test]
async fn the_option_comes_and_goes_and_the_certificate_stays() {
    let world = World::of_many_keys().await;
    world.authority.command_keys(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    let plain = bytes(&world.authority.published());
    let on = world.reopened_as(certified(KeyKind::P256)).await;
    let with = keys(&on.published());
    assert_eq!(with.len(), 2);
    for (key, record) in with.iter().zip(on.keys().ring().keys()) {
        assert_over(key, &record.verifying_key, record.record.created_at);
    }
    let off = world.reopened().await;
    assert_eq!(bytes(&off.published()), plain);
    let on = world.reopened_as(certified(KeyKind::P256)).await;
    // A signature of ECDSA is another each time: these were kept.
    assert_eq!(keys(&on.published()), with);
}

#[tokio::test]
async fn keys_that_a_running_coordinator_makes_have_theirs_at_once() {
    let world = World::of_many_keys().await;
    let authority = world.reopened_as(certified(KeyKind::P256)).await;
    authority.command_keys(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    let [active, prepared] = keys(&authority.published()).try_into().unwrap();
    assert_ne!(der(&active), der(&prepared));
    // The active key and the prepared one go; one takes their place at once.
    authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    let ring = authority.keys().ring();
    let [replaced] = keys(&authority.published()).try_into().unwrap();
    assert_eq!(ring.keys()[0].record.state, KeyState::Active);
    assert_over(&replaced, &ring.keys()[0].verifying_key, world.now());
}

#[tokio::test]
async fn a_key_that_never_signed_here_has_none() {
    let store = MemoryStore::default();
    let primary = FixtureKey::ED25519_A;
    let import = Import::signing(primary.verifying_key(), primary.handle());
    let others = vec![Import::verifying(FixtureKey::ED25519_B.verifying_key())];
    moneyer_authority::keys::Keys::adopt(
        &ledger(&store),
        &moneyer_authority::audit::Actor::System,
        import,
        others,
        &schedule(),
        START,
    )
    .await
    .unwrap();
    let world = World::of(store).await;
    let authority = world.reopened_as(certified(KeyKind::P256)).await;
    let [active, foreign] = keys(&authority.published()).try_into().unwrap();
    assert_over(&active, &primary.verifying_key(), START);
    assert_eq!(foreign.get("x5c"), None);
}

#[tokio::test]
async fn a_retiring_key_keeps_its_certificate() {
    let world = World::of_many_keys().await;
    let authority = world.reopened_as(certified(KeyKind::P256)).await;
    authority.command_keys(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    let before = keys(&authority.published());
    let served =
        authority.published().key_set.iter().map(|key| key.key_id().clone()).collect::<Vec<_>>();
    authority.keys().served(served);
    authority.rotate().await;
    world.clock.set(START.plus(2 * DAY));
    authority.command_keys(&operator(), &KeyCommand::Activate(None)).await.unwrap();
    let after = keys(&authority.published());
    assert_eq!([&after[0], &after[1]], [&before[1], &before[0]], "their places alone changed");
    let again = world.reopened_as(certified(KeyKind::P256)).await;
    assert_eq!(keys(&again.published()), after, "nothing is left to sign the first one's with");
}
