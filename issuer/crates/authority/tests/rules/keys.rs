//! The ring: how it comes to be, what it refuses, in which order it is published.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::issuers::Issuers;
use moneyer_authority::keys::{
    KeyKinds, KeyPlan, KeyRecord, KeyRing, KeyState, Keys, KeysError, Line, Published, RingError,
    RingKey, RingRecord,
};
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::signer::{KeyHandle, KeyKind, Signer as _, SignerError};
use moneyer_authority::store::{Change, Collection, Expected, Store as _};
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use moneyer_identity::{ErrorClass, KeyId, KeySetError, UnixTime};
use moneyer_testkit::signer::FixtureSigner;
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{FixtureKey, START};

use crate::world::{DAY, World, issuer, ledger, operator, schedule, stored, workload};

fn record(key: FixtureKey, state: KeyState) -> KeyRecord {
    KeyRecord {
        line: Line::Primary,
        key_id: key.verifying_key().key_id().clone(),
        thumbprint: None,
        state,
        public: key.verifying_key().jwk().clone(),
        certificate: None,
        handle: Some(key.handle()),
        created_at: START,
        published_at: Some(START),
        activated_at: (state != KeyState::Prepared).then_some(START),
        sign_until: None,
        longest_lifetime: None,
    }
}

async fn open(store: &MemoryStore) -> Result<Keys, KeysError> {
    open_with(store, FixtureSigner::default(), KeyKind::Rsa2048).await
}

async fn open_with(
    store: &MemoryStore,
    signer: FixtureSigner,
    kind: KeyKind,
) -> Result<Keys, KeysError> {
    let plan = KeyPlan { kinds: KeyKinds::only(kind), x5c: false };
    Keys::open(ledger(store), Arc::new(signer), plan, schedule(), START).await
}

async fn holding(records: &[KeyRecord]) -> MemoryStore {
    let store = MemoryStore::default();
    let put = |record| Change::put(record, Expected::Absent).unwrap();
    store.commit(records.iter().map(put).collect()).await.unwrap();
    store
}

async fn refusal(records: &[KeyRecord]) -> KeysError {
    open(&holding(records).await).await.unwrap_err()
}

#[tokio::test]
async fn the_first_start_makes_one_active_key_and_the_next_keeps_it() {
    let store = MemoryStore::default();
    let keys = open(&store).await.unwrap();
    let made = stored(&store, Collection::Keys).await;
    let [only] = made.as_slice() else { panic!("one key") };
    let record: KeyRecord = serde_json::from_slice(&only.value).unwrap();
    assert_eq!(record.state, KeyState::Active);
    assert_eq!(only.id, record.key_id.as_str());
    assert_eq!((record.created_at, record.published_at), (START, Some(START)));
    assert_eq!((record.activated_at, record.sign_until), (Some(START), Some(START.plus(33 * DAY))));
    assert_eq!(record.key_id, *FixtureKey::RSA_2048_A.verifying_key().thumbprint());
    let signs = keys.ring().signing_key(START).unwrap().verifying_key().key_id().clone();
    assert_eq!(signs, record.key_id);
    let generation = store.generation();
    let again = open(&store).await.unwrap();
    assert_eq!(again.ring().signing_key(START).unwrap().verifying_key().key_id(), &signs);
    assert_eq!(store.generation(), generation, "nothing was written");
}

#[tokio::test]
async fn a_key_that_is_not_stored_does_not_sign() {
    let store = MemoryStore::default();
    store.set_unavailable(true);
    assert!(matches!(open(&store).await, Err(KeysError::Store(_))));
    let drained = FixtureSigner::default();
    drained.generate(KeyKind::Rsa4096).await.unwrap();
    let store = MemoryStore::default();
    let refused = open_with(&store, drained, KeyKind::Rsa4096).await;
    assert!(matches!(refused, Err(KeysError::Generate(SignerError::Generate(_)))));
    assert_eq!(stored(&store, Collection::Keys).await, []);
}

#[tokio::test]
async fn exactly_one_key_is_active() {
    let prepared = record(FixtureKey::RSA_2048_A, KeyState::Prepared);
    let retiring = record(FixtureKey::RSA_2048_B, KeyState::Retiring);
    let none = refusal(&[prepared, retiring]).await;
    assert!(matches!(none, KeysError::Ring(RingError::Active(0))), "{none:?}");
    let first = record(FixtureKey::RSA_2048_A, KeyState::Active);
    let second = record(FixtureKey::P256_A, KeyState::Active);
    let two = refusal(&[first, second]).await;
    assert!(matches!(two, KeysError::Ring(RingError::Active(2))), "{two:?}");
    assert!(matches!(KeyRing::new(Vec::new(), RingRecord::default()), Err(RingError::Active(0))));
}

#[tokio::test]
async fn a_key_goes_by_its_thumbprint() {
    let other = FixtureKey::RSA_2048_B.verifying_key().key_id().clone();
    let mut renamed = record(FixtureKey::RSA_2048_A, KeyState::Active);
    renamed.key_id = other.clone();
    let refused = refusal(&[renamed]).await;
    let named = matches!(&refused, KeysError::Ring(RingError::Thumbprint(id)) if *id == other);
    assert!(named, "{refused:?}");
    let mut published = record(FixtureKey::RSA_2048_A, KeyState::Active);
    published.public.kid = Some(other);
    let refused = refusal(&[published]).await;
    assert!(matches!(refused, KeysError::Ring(RingError::Thumbprint(_))), "{refused:?}");
}

#[tokio::test]
async fn a_foreign_key_id_stands_only_beside_its_thumbprint() {
    let given = KeyId::parse("key-of-2024").unwrap();
    let mut foreign = record(FixtureKey::RSA_2048_A, KeyState::Active);
    let thumbprint = std::mem::replace(&mut foreign.key_id, given.clone());
    foreign.public.kid = Some(given.clone());
    foreign.thumbprint = Some(thumbprint.clone());
    let store = holding(std::slice::from_ref(&foreign)).await;
    assert_eq!(stored(&store, Collection::Keys).await[0].id, thumbprint.as_str());
    let keys = open(&store).await.unwrap();
    assert_eq!(*keys.ring().signing_key(START).unwrap().verifying_key().key_id(), given);
    let other = FixtureKey::RSA_2048_B.verifying_key().thumbprint().clone();
    for wrong in [
        KeyRecord { thumbprint: None, ..foreign.clone() },
        KeyRecord { thumbprint: Some(other), ..foreign.clone() },
        KeyRecord { key_id: thumbprint.clone(), ..foreign.clone() },
    ] {
        let refused = refusal(&[wrong]).await;
        assert!(matches!(refused, KeysError::Ring(RingError::Thumbprint(_))), "{refused:?}");
    }
    // One key under two ids, and two keys under one, also where one of them is withdrawn.
    let mut twice = record(FixtureKey::RSA_2048_A, KeyState::Withdrawn);
    twice.sign_until = Some(START);
    let ring_key = |record: &KeyRecord| RingKey::new(Arc::new(record.clone())).unwrap();
    let signer = FixtureSigner::default();
    let (key, handle) = (ring_key(&foreign), FixtureKey::RSA_2048_A.handle());
    let opened = signer.open(&key.verifying_key, &handle).await.unwrap();
    let active = key.opened(opened);
    let refused = KeyRing::new(vec![active.clone(), ring_key(&twice)], RingRecord::default());
    assert!(matches!(refused, Err(RingError::Twice(_))), "{refused:?}");
    let mut same = record(FixtureKey::RSA_2048_B, KeyState::Withdrawn);
    same.thumbprint = Some(std::mem::replace(&mut same.key_id, given.clone()));
    same.public.kid = Some(given);
    let refused = KeyRing::new(vec![active, ring_key(&same)], RingRecord::default());
    assert!(matches!(refused, Err(RingError::Twice(_))), "{refused:?}");
}

#[tokio::test]
async fn both_halves_of_a_key_belong_together() {
    let mut swapped = record(FixtureKey::RSA_2048_A, KeyState::Active);
    swapped.handle = Some(FixtureKey::RSA_2048_B.handle());
    let refused = refusal(&[swapped.clone()]).await;
    let mismatch = matches!(&refused, KeysError::Open { key_id, cause: SignerError::Mismatch }
        if *key_id == swapped.key_id);
    assert!(mismatch, "{refused:?}");
    let mut damaged = record(FixtureKey::RSA_2048_A, KeyState::Active);
    damaged.handle = Some(KeyHandle::new(vec![0; 9]));
    let refused = refusal(&[damaged]).await;
    assert!(matches!(refused, KeysError::Open { cause: SignerError::Open(_), .. }), "{refused:?}");
    let mut unreadable = record(FixtureKey::RSA_2048_A, KeyState::Active);
    unreadable.public.n = Some("AQAB".to_owned());
    let refused = refusal(&[unreadable]).await;
    assert!(matches!(refused, KeysError::Ring(RingError::Public { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_active_key_is_opened_and_no_key_stands_twice() {
    let ring_key = |state| {
        let record = Arc::new(record(FixtureKey::RSA_2048_A, state));
        async move {
            let key = FixtureKey::RSA_2048_A;
            let opened = FixtureSigner::default().open(&key.verifying_key(), &key.handle()).await;
            RingKey::new(record).unwrap().opened(opened.unwrap())
        }
    };
    let unopened = RingKey::new(Arc::new(record(FixtureKey::RSA_2048_A, KeyState::Active)));
    let refused = KeyRing::new(vec![unopened.unwrap()], RingRecord::default());
    assert!(matches!(refused, Err(RingError::NotOpened(_))), "{refused:?}");
    let (active, retiring) = (ring_key(KeyState::Active).await, ring_key(KeyState::Retiring).await);
    let refused = KeyRing::new(vec![active, retiring], RingRecord::default());
    assert!(matches!(refused, Err(RingError::KeySet(KeySetError::DuplicateKeyId))), "{refused:?}");
}

#[tokio::test]
async fn the_active_key_stands_first_then_prepared_then_retiring_the_youngest_first() {
    let aged = |key, state, age: u64| {
        let created_at = START.minus(Duration::from_secs(age));
        KeyRecord { created_at, ..record(key, state) }
    };
    let store = holding(&[
        aged(FixtureKey::RSA_2048_A, KeyState::Retiring, 300),
        aged(FixtureKey::P256_A, KeyState::Retiring, 200),
        aged(FixtureKey::RSA_2048_B, KeyState::Active, 100),
        aged(FixtureKey::RSA_3072, KeyState::Prepared, 50),
        aged(FixtureKey::RSA_2048_C, KeyState::Prepared, 10),
    ])
    .await;
    let ring = open(&store).await.unwrap().ring();
    let expected = [
        FixtureKey::RSA_2048_B,
        FixtureKey::RSA_2048_C,
        FixtureKey::RSA_3072,
        FixtureKey::P256_A,
        FixtureKey::RSA_2048_A,
    ]
    .map(|key| key.verifying_key().key_id().clone());
    let issuers = Issuers::open(ledger(&store), &issuer(), DAY, START).await.unwrap();
    let trust_domain = TrustDomain::parse("id.example.com").unwrap();
    let bundle = TrustBundle::new(trust_domain, Vec::new(), Vec::new()).unwrap();
    let published = Published::of(&ring, &issuers.list(), "/jwks.json", Arc::new(bundle));
    let order: Vec<_> = published.key_set.iter().map(|key| key.key_id().clone()).collect();
    assert_eq!(order, expected);
    assert_eq!(published.metadata.id_token_signing_alg_values_supported, ["RS256", "ES256"]);
    let records: Vec<_> = ring.keys().iter().map(|key| key.record.key_id.clone()).collect();
    assert_eq!(records, expected);
}

#[tokio::test]
async fn no_key_signs_from_its_end_on_and_it_stays_published() {
    let end = START.plus(Duration::from_secs(1000));
    let ending =
        KeyRecord { sign_until: Some(end), ..record(FixtureKey::P256_A, KeyState::Active) };
    let mut world = World::new().await;
    world.store = holding(&[ending]).await;
    world.authority = world.reopened().await;
    assert_eq!(world.authority.keys().ring().sign_until(), Some(end));
    let mint = async || {
        let ask = Ask::default();
        world.authority.mint_system_any(&operator(), &workload("backup"), ask).await
    };
    world.clock.set(UnixTime(end.0 - 1));
    let minted = mint().await.unwrap();
    assert!(minted.expires_at > end, "a token may outlive its key's end, never its publication");
    for late in [end, end.plus(Duration::from_secs(1)), UnixTime(i64::MAX)] {
        world.clock.set(late);
        let refused = mint().await.unwrap_err();
        assert!(matches!(refused, MintError::NoKey));
        assert_eq!(refused.class(), ErrorClass::Unavailable);
    }
    assert_eq!(world.authority.published().key_set.iter().count(), 1);
}

#[tokio::test]
async fn no_key_is_ever_shown() {
    let store = MemoryStore::default();
    let keys = open(&store).await.unwrap();
    let text = format!("{keys:?} {:?} {:?}", keys.ring(), keys.ring().keys());
    assert!(text.contains("KeyHandle(redacted)"));
    let handle = serde_json::to_string(&FixtureKey::RSA_2048_A.handle()).unwrap();
    assert!(!text.contains(handle.trim_matches('"')));
    assert!(!text.contains("[48, 130"), "nor as a list of bytes");
    let document = serde_json::to_string(keys.ring().key_set()).unwrap();
    assert!(!document.contains("handle") && !document.contains("\"d\""));
}
