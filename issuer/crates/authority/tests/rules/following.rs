//! Several coordinators on one store: each goes by what another was told, keys wait for all of them, and one that
//! is cut off stands apart.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use moneyer_authority::Authority;
use moneyer_authority::audiences::ProfileSpec;
use moneyer_authority::enrollment::{
    AuthenticateError, AuthenticatedRunner, EnrollmentError, Principal,
};
use moneyer_authority::exchange::{Place, ResourceMapping, SubjectError};
use moneyer_authority::keys::{KeyCommand, KeyState, Line, Step};
use moneyer_authority::login::{LoginError, Svid};
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::{PlacementChange, RegistryError};
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_authority::store::{Change, Collection, Expected, Generation, Store as _, StoreError};
use moneyer_identity::{ErrorClass, IssuerUrl, KeyId, ProfileName, VerifyingKey};
use moneyer_testkit::signer::FreshSigner;
use moneyer_testkit::store::MemoryPlace;
use moneyer_testkit::{ForeignIssuer, ManualClock};
use serde_json::json;

use crate::login::{FOREIGN, allow, chartered, log_in, svid};
use crate::world::{DAY, HOUR, World, charter, operator, runner, sandbox};

/// As long as a coordinator that is silent is waited for, by the schedule of these tests.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

struct Pair {
    place: MemoryPlace,
    clock: ManualClock,
    one: World,
    other: World,
}

impl Pair {
    async fn new() -> Self {
        let (place, clock) = (MemoryPlace::default(), ManualClock::default());
        let one = World::sharing(&place, "one", &clock).await;
        let other = World::sharing(&place, "other", &clock).await;
        Self { place, clock, one, other }
    }

    /// Both take in everything and report.
    async fn follow(&self) {
        for world in [&self.one, &self.other] {
            world.authority.follow().await.unwrap();
        }
    }

    /// Relying parties are served everything that is published, as far as the publisher can tell.
    fn serve(&self) {
        for authority in [&self.one.authority, &self.other.authority] {
            let ring = authority.keys().ring();
            let published = ring.records().filter(|key| key.state.is_published());
            authority.keys().served(published.map(|key| key.key_id.clone()));
        }
    }

    /// What one coordinator does of itself with its keys, and how many steps that were.
    async fn rotate(&self, world: &World) -> usize {
        let outcomes = world.authority.rotate().await;
        outcomes.into_iter().filter(|(_, outcome)| outcome.is_ok()).count()
    }

    async fn settle(&self) {
        for _ in 0..4 {
            self.follow().await;
            self.serve();
            self.rotate(&self.one).await;
            self.rotate(&self.other).await;
        }
        self.follow().await;
    }
}

fn of_state(world: &World, state: KeyState) -> Vec<KeyId> {
    let ring = world.authority.keys().ring();
    ring.records().filter(|key| key.state == state).map(|key| key.key_id.clone()).collect()
}

fn published(world: &World) -> BTreeSet<KeyId> {
    let ring = world.authority.keys().ring();
    ring.records().map(|key| key.key_id.clone()).collect()
}

/// That a coordinator has no token for this sandbox.
async fn assert_nobodys(world: &World, runner: &AuthenticatedRunner, id: &str) {
    let refused = world.authority.mint(runner, &sandbox(id), Ask::default()).await;
    assert!(matches!(refused, Err(MintError::Registry(RegistryError::NoSuchSandbox))));
}

#[tokio::test]
async fn coordinators_that_come_up_together_are_one_cluster() {
    let (place, clock) = (MemoryPlace::default(), ManualClock::default());
    let (one, other) =
        tokio::join!(World::sharing(&place, "a", &clock), World::sharing(&place, "b", &clock));
    assert_eq!(published(&one), published(&other));
    let certificate =
        |world: &World| world.authority.enrollment().authority().certificate().to_vec();
    assert_eq!(certificate(&one), certificate(&other));
    assert_eq!(*one.authority.bundle().now(), *other.authority.bundle().now());
}

#[tokio::test]
async fn a_runner_that_joined_at_one_has_its_tokens_of_the_other_at_once() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (_, leaf) = pair.one.join("runner-1").await;
    pair.one.place("web-1", "web", "runner-1").await;
    assert!(pair.other.authority.authenticate(&leaf).is_err(), "nobody told it yet");
    let caller = pair.other.authority.authenticate_caller(&leaf).await.unwrap();
    let moneyer_authority::enrollment::Caller::Runner(known) = caller else { panic!() };
    let minted = pair.other.authority.mint(&known, &sandbox("web-1"), Ask::default()).await;
    minted.unwrap();
    // Placed after it has taken in the rest.
    pair.one.place("web-2", "web", "runner-1").await;
    pair.other.authority.mint(&known, &sandbox("web-2"), Ask::default()).await.unwrap();
    assert_nobodys(&pair.other, &known, "web-3").await;
}

#[tokio::test]
async fn a_removal_at_one_ends_tokens_and_watches_at_the_other() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    for id in ["web-1", "web-2"] {
        pair.one.place(id, "web", "runner-1").await;
    }
    pair.follow().await;
    let mut watch = pair.other.authority.registry().watch(&known).unwrap();
    let PlacementChange::All(all, _) = watch.next().await.unwrap() else { panic!() };
    assert_eq!(all.len(), 2);
    pair.one.take_away("web-1").await;
    pair.follow().await;
    let removed = watch.next().await.unwrap();
    assert!(matches!(removed, PlacementChange::Removed(id, _) if id == sandbox("web-1")));
    assert_nobodys(&pair.other, &known, "web-1").await;
    pair.one.remove_runner("runner-1").await;
    pair.follow().await;
    assert!(watch.next().await.is_err());
    assert_nobodys(&pair.other, &known, "web-2").await;
}

#[tokio::test]
async fn what_was_removed_here_is_not_brought_back_by_word_of_an_older_change() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    pair.one.join("runner-1").await;
    pair.other.authority.catch_up().await.unwrap();
    pair.other.place("web-1", "web", "runner-1").await;
    let word = pair.place.hold_word().await;
    let mut asked = Box::pin(pair.other.authority.catch_up());
    // What it is going to be told was true when it asked.
    assert!((&mut asked).now_or_never().is_none());
    pair.other.take_away("web-1").await;
    drop(word);
    asked.await.unwrap();
    let registry = pair.other.authority.registry();
    assert!(registry.find_sandbox(&sandbox("web-1")).is_err());
    pair.follow().await;
    for world in [&pair.one, &pair.other] {
        assert!(world.authority.registry().find_sandbox(&sandbox("web-1")).is_err());
    }
}

#[tokio::test]
async fn a_sandbox_of_an_app_that_was_removed_meanwhile_is_none_of_the_app_made_anew() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    pair.follow().await;
    let registry = pair.one.authority.registry();
    registry.remove_app(&operator(), crate::world::app("web")).await.unwrap();
    // It was not told: so it takes the app to be there.
    pair.other.place("web-1", "web", "runner-1").await;
    pair.one.put_app("web").await;
    pair.follow().await;
    for world in [&pair.one, &pair.other] {
        assert_nobodys(world, &known, "web-1").await;
        let mut watch = world.authority.registry().watch(&known).unwrap();
        let PlacementChange::All(all, _) = watch.next().await.unwrap() else { panic!() };
        assert!(all.is_empty());
    }
    // Placed once more it is one of the new app.
    pair.other.place("web-1", "web", "runner-1").await;
    pair.one.authority.mint(&known, &sandbox("web-1"), Ask::default()).await.unwrap();
}

#[tokio::test]
async fn one_that_was_away_for_long_takes_in_piece_by_piece_and_gets_further_each_time() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    let ids: Vec<_> = (0..8).map(|number| format!("web-{number}")).collect();
    for id in &ids {
        pair.one.place(id, "web", "runner-1").await;
    }
    // Its last revision is after all of its sandboxes.
    pair.one.put_app_limited("web", &["moneyer"]).await;
    let other = &pair.other.authority;
    let known_there = || other.registry().sandbox_count();
    // The database is away after every second piece.
    let mut before = 0;
    for round in 0.. {
        pair.place.tell_in_pieces(2, Some(2));
        let followed = other.follow().await;
        assert!(followed.is_ok() || known_there() > before || round == 0, "it gets further");
        before = known_there();
        if followed.is_ok() {
            assert!(round > 1, "it took several");
            break;
        }
    }
    assert_eq!(known_there(), ids.len());
    let mut watch = other.registry().watch(&known).unwrap();
    let PlacementChange::All(all, _) = watch.next().await.unwrap() else { panic!() };
    assert_eq!(all.len(), ids.len(), "those of an app that came after them");
    other.mint(&known, &sandbox("web-0"), Ask::default()).await.unwrap();
    let (_, count) = other.registry().list_apps()[0].clone();
    assert_eq!(count, ids.len());
}

#[tokio::test]
async fn a_piece_that_cannot_be_taken_in_holds_back_none_after_it_and_is_told_again() {
    let pair = Pair::new().await;
    pair.place.tell_in_pieces(1, None);
    let damaged = Change {
        collection: Collection::Keys,
        id: "no-key".to_owned(),
        expected: Expected::Absent,
        value: Some(b"no record".to_vec().into()),
    };
    let third = pair.place.replica("third");
    let at = third.commit(vec![damaged]).await.unwrap();
    pair.one.put_app("web").await;
    for _ in 0..2 {
        assert!(pair.other.authority.follow().await.is_err());
    }
    assert_eq!(pair.other.authority.registry().list_apps().len(), 1);
    third.commit(vec![Change::remove(Collection::Keys, "no-key", at)]).await.unwrap();
    pair.other.authority.follow().await.unwrap();
}

#[tokio::test]
async fn proofs_that_were_spent_are_forgotten_a_few_at_a_time_whoever_else_does() {
    let pair = Pair::new().await;
    let third = pair.place.replica("third");
    let now = pair.one.now().0;
    let spent = |number: i64| Change {
        collection: Collection::SpentProofs,
        id: format!("proof-{number}"),
        expected: Expected::Absent,
        value: Some(
            json!({ "digest": format!("proof-{number}"), "expires_at": now + 60 + number })
                .to_string()
                .into_bytes()
                .into(),
        ),
    };
    let before = third.commit((0..1300).map(spent).collect()).await.unwrap();
    // The last hundred live on.
    pair.clock.advance(Duration::from_secs(60 + 1200));
    pair.one.authority.forget_spent_proofs().await.unwrap();
    assert_eq!(third.generation().0 - before.0, 3, "1,200 in three commits");
    let left = || crate::world::stored(&*third, Collection::SpentProofs);
    assert_eq!(left().await.len(), 100);
    pair.clock.advance(HOUR);
    let (one, other) = tokio::join!(
        pair.one.authority.forget_spent_proofs(),
        pair.other.authority.forget_spent_proofs()
    );
    one.and(other).unwrap();
    assert!(left().await.is_empty());
}

#[tokio::test]
async fn a_join_token_is_spent_once_whichever_coordinator_is_asked() {
    let pair = Pair::new().await;
    let invited = pair
        .one
        .authority
        .enrollment()
        .invite(&operator(), Principal::Runner(runner("runner-1")), HOUR, pair.one.now())
        .await
        .unwrap();
    pair.other.authority.catch_up().await.unwrap();
    let (first, second) =
        tokio::join!(pair.one.present(invited.expose()), pair.other.present(invited.expose()));
    let joined = usize::from(first.is_ok()) + usize::from(second.is_ok());
    assert_eq!(joined, 1);
    pair.follow().await;
    for world in [&pair.one, &pair.other] {
        let refused = world.present(invited.expose()).await;
        assert!(matches!(refused, Err(EnrollmentError::JoinToken)), "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f23_a_key_signs_only_when_every_coordinator_publishes_it() {
    let pair = Pair::new().await;
    pair.settle().await;
    let first = of_state(&pair.one, KeyState::Active);
    pair.clock.advance(29 * DAY);
    pair.rotate(&pair.one).await;
    let prepared = of_state(&pair.one, KeyState::Prepared);
    assert_eq!(prepared.len(), 1);
    // One has it and the other has not: what relying parties are served depends on whom they ask.
    pair.place.set_away("other", true);
    for _ in 0..10 {
        pair.one.authority.follow().await.unwrap();
        pair.one.authority.keys().served(published(&pair.one));
        pair.rotate(&pair.one).await;
        pair.clock.advance(HOUR);
    }
    pair.clock.advance(DAY);
    pair.one.authority.follow().await.unwrap();
    pair.rotate(&pair.one).await;
    assert_eq!(
        of_state(&pair.one, KeyState::Active),
        first,
        "the other may serve a set without it"
    );
    pair.place.set_away("other", false);
    pair.settle().await;
    pair.clock.advance(DAY);
    pair.settle().await;
    assert_eq!(of_state(&pair.one, KeyState::Active), prepared);
    assert_eq!(of_state(&pair.other, KeyState::Active), prepared);
    assert_eq!(published(&pair.one), published(&pair.other));
}

// One whose way to what relying parties read is broken for good would take the mark back that the other makes, and the
// other make it anew, for ever.
#[tokio::test(start_paused = true)]
async fn one_that_cannot_see_what_is_served_holds_up_no_key_that_the_other_sees() {
    for sees_an_old_set in [false, true] {
        let pair = Pair::new().await;
        pair.settle().await;
        let first = published(&pair.other);
        pair.clock.advance(29 * DAY);
        let look = || {
            pair.one.authority.keys().served(published(&pair.one));
            if sees_an_old_set {
                pair.other.authority.keys().served(first.clone());
            } else {
                pair.other.authority.keys().nothing_is_served();
            }
        };
        let prepared_at = pair.one.now();
        let mut marks = BTreeSet::new();
        for _ in 0..26 {
            pair.follow().await;
            look();
            pair.rotate(&pair.one).await;
            pair.follow().await;
            look();
            pair.rotate(&pair.other).await;
            let ring = pair.one.authority.keys().ring();
            let prepared = ring.records().find(|key| key.created_at >= prepared_at);
            marks.extend(prepared.and_then(|key| key.published_at));
            pair.clock.advance(HOUR);
        }
        pair.follow().await;
        assert_eq!(marks.len(), 1, "its time began once");
        for world in [&pair.one, &pair.other] {
            assert!(!first.contains(&of_state(world, KeyState::Active)[0]), "it signs");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_not_served_for_a_while_begins_anew_whoever_looked() {
    let pair = Pair::new().await;
    pair.settle().await;
    let first = published(&pair.one);
    pair.clock.advance(29 * DAY);
    pair.settle().await;
    let marked_at = |world: &World| {
        let ring = world.authority.keys().ring();
        let prepared = ring.records().find(|key| key.state == KeyState::Prepared);
        prepared.and_then(|key| key.published_at)
    };
    let before = marked_at(&pair.one);
    pair.clock.advance(HOUR);
    // Both came up after it was gone, so neither has seen it served.
    let one = World::sharing(&pair.place, "one", &pair.clock).await;
    let other = World::sharing(&pair.place, "other", &pair.clock).await;
    for world in [&one, &other] {
        world.authority.follow().await.unwrap();
        world.authority.keys().served(first.clone());
        assert_eq!(pair.rotate(world).await, 0);
    }
    pair.clock.advance(DAY);
    for world in [&one, &other] {
        world.authority.keys().served(published(world));
        pair.rotate(world).await;
        world.authority.follow().await.unwrap();
    }
    pair.rotate(&one).await;
    assert!(marked_at(&one) > before, "caches were filled without it");
    assert_eq!(of_state(&one, KeyState::Prepared).len(), 1, "it does not sign yet");
}

#[tokio::test(start_paused = true)]
async fn one_that_starts_anew_costs_a_key_none_of_the_time_it_has_been_published() {
    let pair = Pair::new().await;
    pair.settle().await;
    pair.clock.advance(29 * DAY);
    pair.settle().await;
    let published_at = |world: &World| {
        let ring = world.authority.keys().ring();
        let prepared = ring.records().find(|key| key.state == KeyState::Prepared);
        prepared.and_then(|key| key.published_at)
    };
    let before = published_at(&pair.one);
    assert!(before.is_some());
    pair.clock.advance(HOUR);
    let again = World::sharing(&pair.place, "other", &pair.clock).await;
    let ring = again.authority.keys().ring();
    again.authority.keys().served(ring.records().map(|key| key.key_id.clone()));
    // Before it has heard how the others stand.
    assert_eq!(pair.rotate(&again).await, 0);
    assert_eq!(published_at(&again), before);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_is_waited_for_as_long_as_it_may_serve_and_one_that_left_is_not() {
    for leaves in [false, true] {
        let pair = Pair::new().await;
        pair.settle().await;
        pair.clock.advance(29 * DAY);
        pair.rotate(&pair.one).await;
        if leaves {
            pair.other.authority.leave().await.unwrap();
        }
        // Whether it ripens, some time after the other was heard of last.
        let ripens_after = async |more| {
            tokio::time::advance(more).await;
            pair.one.authority.follow().await.unwrap();
            pair.one.authority.keys().served(published(&pair.one));
            pair.rotate(&pair.one).await;
            let ring = pair.one.authority.keys().ring();
            let prepared = ring.records().find(|key| key.state == KeyState::Prepared);
            prepared.unwrap().published_at.is_some()
        };
        assert_eq!(ripens_after(Duration::from_secs(1)).await, leaves);
        assert_eq!(ripens_after(PATIENCE).await, leaves, "it may not have noticed yet");
        assert!(ripens_after(Duration::from_secs(30)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn f22_one_that_is_cut_off_mints_on_for_its_time_then_stands_apart_and_comes_back() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    pair.one.place("web-1", "web", "runner-1").await;
    pair.follow().await;
    pair.place.set_away("other", true);
    let id = sandbox("web-1");
    let mint = || pair.other.authority.mint(&known, &id, Ask::default());
    tokio::time::advance(PATIENCE.saturating_sub(Duration::from_secs(1))).await;
    assert!(pair.other.authority.follow().await.is_err());
    mint().await.unwrap();
    pair.other.authority.check_following().unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let refused = mint().await;
    assert!(
        matches!(refused, Err(MintError::RolledBack(StoreError::CutOff { .. }))),
        "{refused:?}"
    );
    assert!(pair.other.authority.check_following().is_err());
    // What relying parties need it goes on serving.
    assert!(!pair.other.authority.published().key_set.is_empty());
    pair.place.set_away("other", false);
    pair.other.authority.follow().await.unwrap();
    mint().await.unwrap();
}

// A virtual machine that was suspended: no timer of it went on.
#[tokio::test(start_paused = true)]
async fn one_that_wakes_after_it_was_waited_for_mints_nothing_before_it_has_followed() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    pair.one.place("web-1", "web", "runner-1").await;
    pair.follow().await;
    let id = sandbox("web-1");
    let mint = || pair.one.authority.mint(&known, &id, Ask::default());
    mint().await.unwrap();
    pair.clock.sleep(PATIENCE);
    let refused = mint().await;
    assert!(
        matches!(refused, Err(MintError::RolledBack(StoreError::CutOff { .. }))),
        "{refused:?}"
    );
    pair.one.authority.follow().await.unwrap();
    mint().await.unwrap();
}

// What an operator may do at this moment another coordinator may have been told: so it is not known at one that
// stands apart. A local user is let in, and sees what was known last.
#[tokio::test(start_paused = true)]
async fn one_that_stands_apart_logs_nobody_in_and_lets_no_operator_in_from_afar() {
    let (place, clock) = (MemoryPlace::default(), ManualClock::default());
    let foreign = ForeignIssuer::new(FOREIGN, "one");
    let with = (chartered(&foreign), Arc::new(FreshSigner) as Arc<dyn Signer>);
    let world = World::sharing_as(&place, "one", &clock, with).await;
    let authority = &world.authority;
    let policy = allow("builds", "other.example/build/*", &["apps:read"]);
    authority.put_policy(&operator(), policy).await.unwrap();
    let svid = svid(&foreign, "/build/one", world.now(), json!({}));
    let token = log_in(authority, &svid, None).await.unwrap().minted.token;
    let asked = || "apps:read".parse().unwrap();
    let by_token = || authority.authenticate_token(token.expose(), asked());
    let by_svid = || authority.authenticate_svid(Svid::Jwt(&svid), asked());
    let by_account =
        || authority.authenticate_account(Err(SubjectError::UnknownIssuer("them".into())), asked());
    by_token().unwrap();
    by_svid().unwrap();
    assert_eq!(by_account().unwrap_err().class(), ErrorClass::Unauthenticated);
    place.set_away("one", true);
    tokio::time::advance(PATIENCE).await;
    for refused in [by_token(), by_svid(), by_account()] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, AuthenticateError::Apart), "{refused}");
        assert_eq!(refused.class(), ErrorClass::Unavailable);
    }
    let refused = log_in(authority, &svid, None).await;
    let Err(LoginError::Mint(MintError::RolledBack(StoreError::CutOff { .. }))) = refused else {
        panic!("{refused:?}");
    };
    place.set_away("one", false);
    authority.follow().await.unwrap();
    by_token().unwrap();
    by_svid().unwrap();
    log_in(authority, &svid, None).await.unwrap();
}

#[tokio::test]
async fn f21_two_that_rotate_at_the_same_instant_make_one_new_key() {
    let pair = Pair::new().await;
    pair.settle().await;
    pair.clock.advance(29 * DAY);
    tokio::join!(pair.rotate(&pair.one), pair.rotate(&pair.other));
    pair.follow().await;
    assert_eq!(of_state(&pair.one, KeyState::Prepared).len(), 1);
    assert_eq!(published(&pair.one), published(&pair.other));
    // The same on the word of two operators.
    let pair = Pair::new().await;
    pair.settle().await;
    let command = |world: &World| {
        let authority = world.authority.clone();
        let prepare = KeyCommand::Prepare(Line::Primary);
        async move { authority.command_keys(&operator(), &prepare).await }
    };
    let (first, second) = tokio::join!(command(&pair.one), command(&pair.other));
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|made| **made).count(), 1);
    pair.follow().await;
    assert_eq!(of_state(&pair.other, KeyState::Prepared).len(), 1);
    assert_eq!(published(&pair.one), published(&pair.other));
}

#[tokio::test]
async fn a_key_that_is_withdrawn_at_one_signs_nothing_at_the_other() {
    let pair = Pair::new().await;
    pair.settle().await;
    let withdrawn = of_state(&pair.one, KeyState::Active);
    let done = pair.one.authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await;
    assert!(matches!(done.unwrap()[..], [Step::Withdraw(_)]));
    let reissued = pair.other.authority.reissue();
    pair.follow().await;
    assert_ne!(of_state(&pair.other, KeyState::Active), withdrawn);
    assert_eq!(published(&pair.one), published(&pair.other));
    assert_ne!(pair.other.authority.reissue(), reissued, "who holds tokens gets new ones");
}

/// Where keys are kept that one coordinator cannot reach for a while.
#[derive(Debug, Clone, Default)]
struct Unreachable(Arc<AtomicBool>);

#[async_trait]
impl Signer for Unreachable {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        FreshSigner.generate(kind).await
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(SignerError::Unavailable("no route".into()));
        }
        FreshSigner.open(verifying_key, handle).await
    }
}

#[tokio::test]
async fn a_key_that_is_withdrawn_signs_nothing_where_the_next_one_does_not_open() {
    let (place, clock) = (MemoryPlace::default(), ManualClock::default());
    let signer = Unreachable::default();
    let one = World::sharing(&place, "one", &clock).await;
    let with = (charter(), Arc::new(signer.clone()) as Arc<dyn Signer>);
    let other = World::sharing_as(&place, "other", &clock, with).await;
    one.put_app("web").await;
    let (known, _) = one.join("runner-1").await;
    one.place("web-1", "web", "runner-1").await;
    other.authority.follow().await.unwrap();
    other.authority.mint(&known, &sandbox("web-1"), Ask::default()).await.unwrap();
    let withdrawn = of_state(&other, KeyState::Active);
    signer.0.store(true, Ordering::Relaxed);
    one.authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    one.put_app("db").await;
    let mut changes = other.authority.keys().changes();
    changes.borrow_and_update();
    for _ in 0..3 {
        assert!(other.authority.follow().await.is_err(), "the next one does not open");
    }
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow(), 1, "it is published anew once, however often it is tried");
    let refused = other.authority.mint(&known, &sandbox("web-1"), Ask::default()).await;
    assert!(matches!(refused, Err(MintError::NoKey)), "{refused:?}");
    let public = other.authority.published().key_set;
    assert!(public.find(&withdrawn[0]).is_none(), "its tokens verify no more");
    assert_eq!(published(&other), published(&one));
    assert_eq!(other.authority.registry().list_apps().len(), 2, "the rest is in force");
    signer.0.store(false, Ordering::Relaxed);
    other.authority.follow().await.unwrap();
    let minted = other.authority.mint(&known, &sandbox("web-1"), Ask::default()).await.unwrap();
    assert_eq!(vec![minted.key_id.clone()], of_state(&one, KeyState::Active));
}

#[tokio::test]
async fn everything_that_operators_put_at_one_is_in_force_at_the_other() {
    let pair = Pair::new().await;
    let (one, other) = (&pair.one.authority, &pair.other.authority);
    let mapping: ResourceMapping = serde_json::from_value(json!({
        "clientIdentifier": "a", "participantContext": "pc1", "scopes": ["read"]
    }))
    .unwrap();
    one.put_mappings(&operator(), vec![mapping.clone()], Place::New).await.unwrap();
    let spec: ProfileSpec =
        serde_json::from_value(json!({ "name": "vault", "audience": "https://vault.example" }))
            .unwrap();
    one.put_audience(&operator(), spec).await.unwrap();
    let moved = IssuerUrl::parse("https://new.example.com").unwrap();
    one.move_issuer(&operator(), &moved).await.unwrap();
    pair.follow().await;
    assert!(other.exchange_catalog().mapping(&mapping.key()).is_some());
    assert_eq!(other.profiles().policy().profiles().count(), 1);
    assert_eq!(*other.issuers().list(), *one.issuers().list());
    assert_eq!(other.issuer(), moved);
    other.remove_mapping(&operator(), mapping.key(), None).await.unwrap();
    pair.follow().await;
    assert!(one.exchange_catalog().mapping(&mapping.key()).is_none());
    // Its own removal is not undone by the word that made it.
    assert!(other.exchange_catalog().mapping(&mapping.key()).is_none());
}

#[tokio::test]
async fn a_change_from_records_that_another_has_changed_is_refused_and_goes_through_afterwards() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    pair.follow().await;
    pair.one.put_app_limited("web", &["vault"]).await;
    let change = || moneyer_authority::registry::AppChange {
        name: crate::world::app("web"),
        audiences: vec![crate::world::audience("aws")],
        accounts: None,
        spiffe_ending: moneyer_authority::registry::EndingChange::AsBefore,
    };
    let refused = pair.other.authority.put_app(&operator(), change()).await;
    assert!(matches!(refused, Err(RegistryError::Store(StoreError::Conflict { .. }))));
    pair.other.authority.catch_up().await.unwrap();
    pair.other.authority.put_app(&operator(), change()).await.unwrap();
}

#[tokio::test]
async fn the_trust_bundle_has_one_number_whichever_coordinator_is_asked() {
    let pair = Pair::new().await;
    pair.settle().await;
    pair.one
        .authority
        .command_keys(&operator(), &KeyCommand::Prepare(Line::Primary))
        .await
        .unwrap();
    pair.clock.advance(Duration::from_secs(5));
    pair.one.authority.bundle().follow().await.unwrap();
    pair.clock.advance(Duration::from_secs(5));
    pair.follow().await;
    pair.other.authority.bundle().follow().await.ok();
    pair.follow().await;
    pair.other.authority.bundle().follow().await.unwrap();
    let bundle = |world: &World| world.authority.bundle().now();
    assert_eq!(*bundle(&pair.one), *bundle(&pair.other));
    assert!(Generation(0) < pair.one.authority.store().generation());
}

fn vault(name: &str) -> ProfileSpec {
    serde_json::from_value(json!({ "name": name, "audience": "https://vault.example" })).unwrap()
}

#[tokio::test]
async fn two_profiles_that_contradict_one_another_stop_nobody_and_one_can_be_removed() {
    let pair = Pair::new().await;
    let (one, other) = (&pair.one.authority, &pair.other.authority);
    one.put_audience(&operator(), vault("a")).await.unwrap();
    // Each was good by what its coordinator knew when it was put.
    let change = Change::put(&vault("b"), Expected::Absent).unwrap();
    pair.place.replica("third").commit(vec![change]).await.unwrap();
    pair.one.put_app("web").await;
    pair.follow().await;
    let names = |authority: &Authority| -> Vec<String> {
        authority.profiles().policy().profiles().map(|one| one.name.to_string()).collect()
    };
    assert_eq!((names(one), names(other)), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert_eq!(other.registry().list_apps().len(), 1, "what came with it is in force");
    other.remove_audience(&operator(), ProfileName::parse("a").unwrap()).await.unwrap();
    pair.follow().await;
    assert_eq!((names(one), names(other)), (vec!["b".to_owned()], vec!["b".to_owned()]));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_nothing_else_from_being_in_force() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    pair.one.place("web-1", "web", "runner-1").await;
    pair.follow().await;
    let damaged = |id: &str, collection| Change {
        collection,
        id: id.to_owned(),
        expected: Expected::Absent,
        value: Some(b"no record".to_vec().into()),
    };
    let third = pair.place.replica("third");
    let damaged = vec![
        damaged("runner/runner-0", Collection::Members),
        damaged("web-0", Collection::Sandboxes),
        damaged("issuer", Collection::Issuers),
    ];
    third.commit(damaged).await.unwrap();
    pair.one.remove_runner("runner-1").await;
    pair.one.authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    assert!(pair.other.authority.follow().await.is_err());
    assert_nobodys(&pair.other, &known, "web-1").await;
    assert_eq!(published(&pair.one), published(&pair.other));
    assert_eq!(of_state(&pair.one, KeyState::Active), of_state(&pair.other, KeyState::Active));
}

/// Replaces a record by what nobody can read, and gives what it takes to mend it.
async fn damage(pair: &Pair, collection: Collection, id: &str) -> Change {
    let third = pair.place.replica("third");
    let there = crate::world::stored(&*third, collection).await;
    let there = there.into_iter().find(|one| one.id.contains(id)).unwrap();
    let damaged = Change {
        collection,
        id: there.id.clone(),
        expected: Expected::Revision(there.revision),
        value: Some(b"no record".to_vec().into()),
    };
    let at = third.commit(vec![damaged.clone()]).await.unwrap();
    Change { expected: Expected::Revision(at), value: Some(there.value), ..damaged }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_refuses_what_it_is_about_and_stops_nothing_else() {
    let pair = Pair::new().await;
    let other = &pair.other.authority;
    pair.one.put_app("web").await;
    pair.one.put_app("db").await;
    let (known, _) = pair.one.join("runner-1").await;
    let (_, removed) = pair.one.join("runner-2").await;
    for (id, app) in [("web-1", "web"), ("web-2", "web"), ("db-1", "db")] {
        pair.one.place(id, app, "runner-1").await;
    }
    pair.follow().await;
    let mut repairs = Vec::new();
    for (collection, id) in [
        (Collection::Sandboxes, "web-1"),
        (Collection::Apps, "db"),
        (Collection::Members, "runner-2"),
    ] {
        repairs.push(damage(&pair, collection, id).await);
    }
    // However long it lasts.
    for _ in 0..3 {
        tokio::time::advance(PATIENCE).await;
        other.follow().await.unwrap();
    }
    for id in ["web-1", "db-1"] {
        assert_nobodys(&pair.other, &known, id).await;
    }
    assert!(matches!(other.authenticate(&removed), Err(AuthenticateError::Removed)));
    other.mint(&known, &sandbox("web-2"), Ask::default()).await.unwrap();
    let told = other.unreadable_records().unwrap();
    for id in ["web-1", "db", "runner-2"] {
        assert!(told.contains(id), "{told}");
    }
    pair.place.replica("third").commit(repairs).await.unwrap();
    other.follow().await.unwrap();
    assert_eq!(other.unreadable_records(), None);
    for id in ["web-1", "web-2", "db-1"] {
        other.mint(&known, &sandbox(id), Ask::default()).await.unwrap();
    }
    other.authenticate(&removed).unwrap();
}

#[tokio::test]
async fn without_one_of_the_policies_nobody_is_let_in_by_any() {
    let pair = Pair::new().await;
    let foreign = ForeignIssuer::new(FOREIGN, "one");
    let with = (chartered(&foreign), Arc::new(FreshSigner) as Arc<dyn Signer>);
    let world = World::sharing_as(&pair.place, "fourth", &pair.clock, with).await;
    let authority = &world.authority;
    pair.one.put_app("web").await;
    let (known, _) = pair.one.join("runner-1").await;
    pair.one.place("web-1", "web", "runner-1").await;
    for name in ["builds", "beside"] {
        let policy = allow(name, "other.example/build/*", &["apps:read"]);
        authority.put_policy(&operator(), policy).await.unwrap();
    }
    let svid = svid(&foreign, "/build/one", world.now(), json!({}));
    let token = log_in(authority, &svid, None).await.unwrap().minted.token;
    // It may deny by now.
    let repair = damage(&pair, Collection::Policies, "beside").await;
    authority.follow().await.unwrap();
    let refused = log_in(authority, &svid, None).await;
    assert!(matches!(refused, Err(LoginError::Unreadable)), "{refused:?}");
    let by_token = || authority.authenticate_token(token.expose(), "apps:read".parse().unwrap());
    assert!(matches!(by_token(), Err(AuthenticateError::Apart)));
    authority.mint(&known, &sandbox("web-1"), Ask::default()).await.unwrap();
    assert!(authority.unreadable_records().unwrap().contains("beside"));
    pair.place.replica("third").commit(vec![repair]).await.unwrap();
    authority.follow().await.unwrap();
    by_token().unwrap();
    log_in(authority, &svid, None).await.unwrap();
    assert_eq!(authority.unreadable_records(), None);
}

#[tokio::test(start_paused = true)]
async fn what_every_token_hangs_on_and_cannot_be_read_is_told_and_stops_it_in_time() {
    for collection in [Collection::Keys, Collection::Issuers] {
        let pair = Pair::new().await;
        pair.one.put_app("web").await;
        let (known, _) = pair.one.join("runner-1").await;
        pair.one.place("web-1", "web", "runner-1").await;
        pair.follow().await;
        let repair = damage(&pair, collection, "").await;
        let other = &pair.other.authority;
        assert!(other.follow().await.is_err());
        assert!(other.unreadable_records().unwrap().contains("cannot be"));
        other.mint(&known, &sandbox("web-1"), Ask::default()).await.unwrap();
        tokio::time::advance(PATIENCE).await;
        assert!(other.follow().await.is_err());
        assert!(other.mint(&known, &sandbox("web-1"), Ask::default()).await.is_err());
        pair.place.replica("third").commit(vec![repair]).await.unwrap();
        other.follow().await.unwrap();
        assert_eq!(other.unreadable_records(), None);
        other.mint(&known, &sandbox("web-1"), Ask::default()).await.unwrap();
    }
}

#[tokio::test]
async fn an_app_made_anew_counts_its_own_sandboxes_and_none_that_was_left_behind() {
    let pair = Pair::new().await;
    pair.one.put_app("web").await;
    pair.one.join("runner-1").await;
    pair.follow().await;
    let registry = pair.one.authority.registry();
    registry.remove_app(&operator(), crate::world::app("web")).await.unwrap();
    pair.other.place("web-1", "web", "runner-1").await;
    pair.one.put_app("web").await;
    pair.follow().await;
    let third = World::sharing(&pair.place, "third", &pair.clock).await;
    let count = |world: &World| world.authority.registry().list_apps()[0].1;
    for world in [&pair.one, &pair.other, &third] {
        assert_eq!(count(world), 0);
    }
    pair.one.place("web-2", "web", "runner-1").await;
    pair.one.take_away("web-1").await;
    for world in [&pair.one, &pair.other, &third] {
        world.authority.catch_up().await.unwrap();
        assert_eq!(count(world), 1);
    }
    let refused = registry.remove_app(&operator(), crate::world::app("web")).await;
    assert!(matches!(refused, Err(RegistryError::AppInUse { .. })));
}

#[tokio::test]
async fn while_the_store_is_away_nobody_waits_for_it() {
    let pair = Pair::new().await;
    pair.place.set_away("other", true);
    let word = pair.place.hold_word().await;
    let asked = pair.other.authority.catch_up().now_or_never();
    assert!(matches!(asked, Some(Err(_))), "it is told at once");
    drop(word);
}
