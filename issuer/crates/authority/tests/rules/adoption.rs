//! Keys of another issuer: adopted as a cluster's first, or imported beside its own. Promise P2: every
//! token ever minted verifies until it expires.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::audit::Actor;
use moneyer_authority::keys::{Import, ImportRefusal, KeyState, Keys, KeysError, Schedule};
use moneyer_authority::mint::Ask;
use moneyer_authority::signer::{KeyKind, Signer as _};
use moneyer_identity::{
    Algorithm, Audiences, ClaimSet, Clock as _, ErrorClass, Expectations, KeyId, KeySet, UnixTime,
    UnsignedToken, Verifier, VerifyingKey,
};
use moneyer_testkit::signer::{FixtureSigner, FreshSigner, sample_claims};
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{FixtureKey, ManualClock, START};

use crate::world::{
    DAY, HOUR, World, audience, charter, issuer, ledger, open, operator, schedule, workload,
};

fn named(key: FixtureKey, key_id: &str) -> VerifyingKey {
    key.verifying_key().named(KeyId::parse(key_id).unwrap())
}

/// A cluster that began with an Ed25519 key under this id, and knows another one to verify with.
async fn adopted(key_id: &str) -> World {
    let store = MemoryStore::default();
    let ed25519 = FixtureKey::ED25519_A;
    let primary = Import::signing(named(ed25519, key_id), ed25519.handle());
    let previous = Import::verifying(named(FixtureKey::ED25519_B, "before"));
    let others = vec![previous, Import::verifying(named(ed25519, key_id))];
    let records =
        Keys::adopt(&ledger(&store), &Actor::System, primary, others, &schedule(), START).await;
    let states: Vec<_> = records.unwrap().iter().map(|record| record.state).collect();
    assert_eq!(states, [KeyState::Active, KeyState::Retiring], "each key once");
    World::of(store).await
}

async fn mint(authority: &Authority) -> (String, KeyId) {
    let ask = Ask::default();
    let minted = authority.mint_system_any(&operator(), &workload("backup"), ask).await.unwrap();
    (minted.token.expose().to_owned(), minted.key_id)
}

/// Whether the token verifies by what is published now.
fn verifies(authority: &Authority, token: &str, at: UnixTime) -> bool {
    let document = serde_json::to_vec(&authority.published().key_set).unwrap();
    let keys = KeySet::parse(&document).unwrap();
    let expected = Expectations::exactly(audience("moneyer"));
    Verifier::new(issuer(), keys).verify(token, &expected, at).is_ok()
}

/// What the loop of the coordinator does, and the documents being served.
async fn rotate(world: &World) {
    for (step, outcome) in world.authority.rotate().await {
        outcome.unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }
    let published = world.authority.published();
    world.authority.keys().served(published.key_set.iter().map(|key| key.key_id().clone()));
}

#[tokio::test]
async fn an_adopted_eddsa_key_signs_until_its_successor_was_published_and_then_ends() {
    let world = adopted("old-key-1").await;
    let old = KeyId::parse("old-key-1").unwrap();
    let mut tokens = Vec::new();
    let mut successor_since = None;
    let mut left = None;
    for _ in 0..24 * 40 {
        rotate(&world).await;
        let now = world.clock.now();
        let (token, key_id) = mint(&world.authority).await;
        let passed = now.since(START);
        if key_id == old {
            assert!(passed <= DAY + 2 * HOUR, "its successor should have taken over");
        } else {
            successor_since.get_or_insert(passed);
        }
        tokens.push((token, now.plus(HOUR)));
        tokens.retain(|(_, expires_at)| *expires_at > now);
        for (token, _) in &tokens {
            assert!(verifies(&world.authority, token, now), "{passed:?}");
        }
        let ring = world.authority.keys().ring();
        if left.is_none() && ring.records().all(|record| record.key_id != old) {
            left = Some(passed);
        }
        world.clock.advance(HOUR);
    }
    let since = successor_since.unwrap();
    assert!((DAY..=DAY + 2 * HOUR).contains(&since), "{since:?}");
    // It could have signed for 33 days, and its last token lives a day and five minutes more.
    let ended = left.unwrap();
    assert!((34 * DAY..=34 * DAY + 2 * HOUR).contains(&ended), "{ended:?}");
    let algorithms = world.authority.published().key_set.algorithms();
    assert_eq!(algorithms, [Algorithm::ES256]);
}

#[tokio::test]
async fn an_adopted_key_keeps_its_key_id_in_the_key_set_and_in_tokens() {
    let world = adopted("old/key:1").await;
    let (token, key_id) = mint(&world.authority).await;
    assert_eq!(key_id.as_str(), "old/key:1");
    assert!(verifies(&world.authority, &token, world.clock.now()));
    let document = serde_json::to_value(&world.authority.published().key_set).unwrap();
    let kids: Vec<_> = (0..2).map(|at| document["keys"][at]["kid"].as_str().unwrap()).collect();
    assert_eq!(kids, ["old/key:1", "before"]);
    assert_eq!(document["keys"][0]["kty"], "OKP");
    // A token that the old issuer signed.
    let signer = FixtureSigner::default();
    let before = named(FixtureKey::ED25519_B, "before");
    let key = signer.open(&before, &FixtureKey::ED25519_B.handle()).await.unwrap();
    let audiences = Audiences::one(audience("moneyer"));
    let claims = ClaimSet { iss: issuer(), aud: audiences, ..sample_claims() };
    let unsigned = UnsignedToken::new(before.key_id().clone(), &claims).unwrap();
    let of_before = key.sign(unsigned).await.unwrap();
    assert!(verifies(&world.authority, of_before.expose(), world.clock.now()));
    let again = world.reopened().await;
    assert_eq!(mint(&again).await.1.as_str(), "old/key:1", "a restart keeps it");
}

#[tokio::test]
async fn a_verifying_key_ends_a_day_and_five_minutes_after_it_came_however_short_our_tokens_live() {
    for lifetime in [DAY, HOUR] {
        let (store, clock) = (MemoryStore::default(), ManualClock::default());
        let of = Schedule::new(30 * DAY, DAY, HOUR, lifetime).unwrap();
        let chartered = moneyer_authority::Charter { schedule: of, ..charter() };
        let authority = open(chartered, Arc::new(store), &clock).await.unwrap();
        let import = vec![Import::verifying(FixtureKey::ED25519_B.verifying_key())];
        authority.import_keys(&operator(), import).await.unwrap();
        let lasts = DAY + Duration::from_secs(300);
        let is_there = || authority.published().key_set.iter().count() == 2;
        clock.set(UnixTime(START.plus(lasts).0 - 1));
        authority.rotate().await;
        assert!(is_there(), "{lifetime:?}");
        clock.set(START.plus(lasts));
        authority.rotate().await;
        assert!(!is_there(), "{lifetime:?}");
    }
}

#[tokio::test]
async fn no_key_and_no_key_id_comes_twice() {
    let world = adopted("old").await;
    let import =
        async |key| world.authority.import_keys(&operator(), vec![Import::verifying(key)]).await;
    let generation = world.authority.store().generation();
    let known = import(named(FixtureKey::ED25519_B, "before")).await.unwrap();
    assert!(known.is_empty() && world.authority.store().generation() == generation);
    let refused = import(named(FixtureKey::ED25519_B, "otherwise")).await.unwrap_err();
    assert!(matches!(refused, KeysError::Import(ImportRefusal::OtherKeyId { .. })), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Conflict);
    let refused = import(named(FixtureKey::P256_B, "old")).await.unwrap_err();
    assert!(matches!(refused, KeysError::Import(ImportRefusal::KeyIdTaken(_))), "{refused:?}");
    // Two of one request, too; and nothing of it is done.
    let two = ["same", "same"].into_iter().zip([FixtureKey::P256_B, FixtureKey::RSA_3072]);
    let two = two.map(|(key_id, key)| Import::verifying(named(key, key_id))).collect();
    let refused = world.authority.import_keys(&operator(), two).await.unwrap_err();
    assert!(matches!(refused, KeysError::Import(ImportRefusal::KeyIdTaken(_))), "{refused:?}");
    assert_eq!(world.authority.store().generation(), generation);
    let withdraw = moneyer_authority::keys::KeyCommand::Emergency(KeyId::parse("before"));
    world.authority.command_keys(&operator(), &withdraw).await.unwrap();
    let refused = import(named(FixtureKey::ED25519_B, "before")).await.unwrap_err();
    assert!(matches!(refused, KeysError::Import(ImportRefusal::Withdrawn(_))), "{refused:?}");
}

// Whoever has it could otherwise have it believed again.
#[tokio::test]
async fn a_withdrawn_key_is_not_taken_back_even_when_its_record_is_gone() {
    let world = adopted("old").await;
    let before = || vec![Import::verifying(named(FixtureKey::ED25519_B, "before"))];
    let withdraw = moneyer_authority::keys::KeyCommand::Emergency(KeyId::parse("before"));
    world.authority.command_keys(&operator(), &withdraw).await.unwrap();
    let is_there = |authority: &Authority| {
        authority.keys().ring().records().any(|record| record.key_id.as_str() == "before")
    };
    assert!(is_there(&world.authority));
    for _ in 0..3 {
        world.clock.advance(DAY);
        rotate(&world).await;
    }
    assert!(!is_there(&world.authority), "its last token is dead");
    for authority in [world.authority.clone(), world.reopened().await] {
        let refused = authority.import_keys(&operator(), before()).await.unwrap_err();
        let withdrawn = matches!(refused, KeysError::Import(ImportRefusal::Withdrawn(_)));
        assert!(withdrawn, "{refused:?}");
        assert_eq!(
            authority.judge_import(&operator(), before()).unwrap_err().class(),
            refused.class()
        );
    }
    let under_another_name = vec![Import::verifying(named(FixtureKey::ED25519_B, "after"))];
    let refused = world.authority.import_keys(&operator(), under_another_name).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_trial_and_a_wrong_clock_change_nothing() {
    let world = World::new().await;
    let generation = world.authority.store().generation();
    let key = || vec![Import::verifying(FixtureKey::ED25519_A.verifying_key())];
    let judged = world.authority.judge_import(&operator(), key()).unwrap();
    assert_eq!(judged[0].state, KeyState::Retiring);
    world.clock.fail(Some(moneyer_identity::ClockFault::Behind { by: HOUR }));
    let refused = world.authority.import_keys(&operator(), key()).await.unwrap_err();
    assert!(matches!(refused, KeysError::Clock(_)), "{refused:?}");
    assert_eq!(world.authority.store().generation(), generation);
}

/// Keys that nobody knows.
async fn strangers(count: usize) -> Vec<Import> {
    let mut strangers = Vec::new();
    for _ in 0..count {
        let made = FreshSigner.generate(KeyKind::P256).await.unwrap();
        strangers.push(Import::verifying(made.verifying_key));
    }
    strangers
}

#[tokio::test]
async fn nineteen_keys_of_others_have_room() {
    let world = World::new().await;
    world.authority.import_keys(&operator(), strangers(19).await).await.unwrap();
    assert_eq!(world.authority.published().key_set.iter().count(), 20);
    let refused = world.authority.import_keys(&operator(), strangers(1).await).await.unwrap_err();
    assert!(matches!(refused, KeysError::Import(ImportRefusal::TooMany)), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Exhausted);
}

#[tokio::test]
async fn a_cluster_with_keys_of_its_own_adopts_none() {
    let world = World::new().await;
    let key = FixtureKey::ED25519_A;
    let primary = Import::signing(key.verifying_key(), key.handle());
    let log = ledger(&world.store);
    let refused = Keys::adopt(&log, &Actor::System, primary, vec![], &schedule(), START).await;
    assert!(matches!(refused, Err(KeysError::NotEmpty)), "{refused:?}");
}
