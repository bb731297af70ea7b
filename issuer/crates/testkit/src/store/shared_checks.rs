//! What others changed, how far each has followed, whose turn it is.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]
#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::shared_store::{Changes, SharedStore, Turn};
use moneyer_authority::store::{Change, Collection, Expected, Generation, Store, StoreError};

use super::SharedBackend;
use super::checks::{add, committed, conflicts, put};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// The store as one that is shared.
pub(super) fn shared<S: Store>(store: &Arc<S>) -> &dyn SharedStore {
    store.shared().expect("the store is shared")
}

/// What changed since a generation.
pub(super) async fn changes<S: Store>(store: &Arc<S>, since: u64) -> Changes {
    shared(store).changes(Generation(since)).await.expect("the changes are told")
}

/// Id, revision and value, `None` where it was removed.
type Told = (String, u64, Option<Vec<u8>>);

fn told(changes: &Changes) -> Vec<Told> {
    let told = changes.changed.iter().map(|one| {
        let value = one.value.as_ref().map(|value| value.to_vec());
        (one.id.clone(), one.revision.0, value)
    });
    told.collect()
}

fn tell(id: &str, revision: u64, value: &str) -> Told {
    (id.to_owned(), revision, Some(value.as_bytes().to_vec()))
}

/// Others are told what was committed, from any generation on, up to one that says that this is all.
pub async fn changes_are_told_once_and_in_their_order<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    assert_eq!(changes(&other, 0).await, Changes::default());
    committed(&*one, vec![add("b", b"1"), add("a", b"1")]).await;
    committed(&*other, vec![add("0", b"2")]).await;
    committed(&*one, vec![]).await;
    let all = changes(&other, 0).await;
    assert_eq!(told(&all), [tell("a", 1, "1"), tell("b", 1, "1"), tell("0", 2, "2")]);
    assert_eq!(all.through, Generation(3));
    assert_eq!(told(&changes(&one, 1).await), [tell("0", 2, "2")]);
    for since in [2, 3] {
        let none = changes(&one, since).await;
        assert_eq!((none.changed.len(), none.through), (0, Generation(3)));
    }
    let third = backend.open().await;
    assert_eq!(changes(&third, 0).await, all);
    assert_eq!(third.generation(), Generation(3));
}

/// Once, with its last value, where its last revision is.
pub async fn a_record_that_changed_often_is_told_as_it_is_now<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    let mut expected = Expected::Absent;
    for value in ["1", "2", "3"] {
        let change = put(Collection::Apps, "a", expected, value.as_bytes());
        expected = Expected::Revision(committed(&*one, vec![change]).await);
        if value == "1" {
            committed(&*one, vec![add("b", b"b")]).await;
        }
    }
    assert_eq!(told(&changes(&other, 0).await), [tell("b", 2, "b"), tell("a", 4, "3")]);
    assert_eq!(told(&changes(&other, 3).await), [tell("a", 4, "3")]);
}

/// Whoever asks on is told everything once, whole generations at a time, and comes to an end.
pub async fn a_long_time_is_told_in_pieces<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    for commit in 0..7 {
        let few = (0..3).map(|record| add(&format!("{commit}-{record}"), b"1")).collect();
        committed(&*one, few).await;
    }
    let replaced = put(Collection::Apps, "0-0", Expected::Revision(Generation(1)), b"2");
    committed(&*one, vec![replaced]).await;
    committed(&*one, vec![]).await;
    let (mut all, mut since) = (Vec::new(), 0);
    loop {
        let piece = changes(&other, since).await;
        assert!(!piece.more || piece.through > Generation(since), "it goes on: {since}");
        let last = piece.changed.last().map(|one| one.revision);
        assert!(last <= Some(piece.through), "{last:?} {}", piece.through);
        all.extend(told(&piece));
        since = piece.through.0;
        if !piece.more {
            break;
        }
    }
    let mut expected: Vec<_> = (0..7_u64)
        .flat_map(|commit| {
            (0..3).map(move |record| tell(&format!("{commit}-{record}"), commit + 1, "1"))
        })
        .collect();
    expected.remove(0);
    expected.push(tell("0-0", 8, "2"));
    assert_eq!((all, since), (expected, 9));
}

/// A removal has a revision too; what is written anew is there again.
pub async fn removals_are_told<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    let first = committed(&*one, vec![add("a", b"1"), add("b", b"1")]).await;
    committed(&*one, vec![Change::remove(Collection::Apps, "a", first)]).await;
    let gone = ("a".to_owned(), 2, None);
    let all = [tell("b", 1, "1"), gone];
    assert_eq!(told(&changes(&other, 0).await), all);
    assert_eq!(told(&changes(&other, 1).await), all[1..]);
    committed(&*other, vec![add("a", b"3")]).await;
    assert_eq!(told(&changes(&one, 1).await), [tell("a", 3, "3")]);
}

/// However they are kept.
pub async fn secrets_are_told_as_they_were_written<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    let key = |id: &str| put(Collection::Keys, id, Expected::Absent, b"a private key");
    committed(&*one, vec![key("k1"), key("k2")]).await;
    let all = changes(&other, 0).await;
    assert_eq!(told(&all), [tell("k1", 1, "a private key"), tell("k2", 1, "a private key")]);
    assert!(all.changed.iter().all(|one| one.collection == Collection::Keys));
}

/// Compare and set holds across all who have the store open.
pub async fn a_commit_is_held_against_what_others_committed<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    let first = committed(&*one, vec![add("a", b"1")]).await;
    conflicts(&*other, vec![add("a", b"2")], "a").await;
    let replace = put(Collection::Apps, "a", Expected::Revision(first), b"2");
    let second = committed(&*other, vec![replace.clone()]).await;
    assert_eq!(second, Generation(2));
    conflicts(&*one, vec![replace], "a").await;
    assert_eq!(committed(&*one, vec![add("b", b"3")]).await, Generation(3));
}

/// Nobody waits for what it has missed and the store here knows.
pub async fn news_of_what_is_known_comes_at_once<B: SharedBackend>(backend: &B) {
    let one = backend.open().await;
    let first = committed(&*one, vec![add("a", b"1")]).await;
    let known = shared(&one).news(Generation(first.0 - 1));
    tokio::time::timeout(LONG, known).await.expect("it comes");
}

/// Whoever waits hears of it, by word or because the store is asked.
pub async fn news_comes_of_what_another_committed<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    for round in 0..3_u64 {
        let waiting = Arc::clone(&other);
        let seen = Generation(round);
        let heard = tokio::spawn(async move {
            while waiting.generation() <= seen {
                shared(&waiting).news(seen).await;
            }
        });
        committed(&*one, vec![add(&format!("{round}"), b"1")]).await;
        tokio::time::timeout(LONG, heard).await.expect("it comes").expect("it is heard");
        assert_eq!(changes(&other, round).await.through, Generation(round + 1));
    }
}

/// Word can be lost: who waits looks again by itself.
pub async fn news_comes_to_an_end_without_any<B: SharedBackend>(backend: &B) {
    let one = backend.open().await;
    tokio::time::timeout(LONG, shared(&one).news(Generation(7))).await.expect("it ends");
}

/// The turn, as soon as nobody has it: whose holder went may take a moment.
async fn turn_of<S: Store>(store: &Arc<S>) -> Box<dyn Turn> {
    let taking = async {
        loop {
            if let Some(turn) = shared(store).turn().await.expect("turns are given") {
                return turn;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, taking).await.expect("the turn is free")
}

/// One has it, also of one and the same store, until it is dropped.
pub async fn a_turn_is_had_by_one_and_free_when_it_is_dropped<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    for _ in 0..3 {
        let turn = turn_of(&one).await;
        for store in [&one, &other] {
            assert!(shared(store).turn().await.expect("turns are given").is_none());
        }
        drop(turn);
        let turn = turn_of(&other).await;
        assert!(shared(&one).turn().await.expect("turns are given").is_none());
        drop(turn);
    }
}

/// Coming up is another turn than keeping the keys, and comes to all who wait, one after the other.
pub async fn the_turn_to_open_is_waited_for_and_is_another<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    let keeping = turn_of(&one).await;
    let opening = shared(&one).turn_to_open().await.expect("the turn to open");
    let waiting = Arc::clone(&other);
    let mut second = tokio::spawn(async move {
        let turn = shared(&waiting).turn_to_open().await.expect("the turn to open");
        committed(&*waiting, vec![add("b", b"")]).await;
        turn
    });
    committed(&*one, vec![add("a", b"")]).await;
    let early = tokio::time::timeout(Duration::from_millis(500), &mut second).await;
    assert!(early.is_err(), "two have the turn to open");
    drop(opening);
    let second = tokio::time::timeout(LONG, second).await.expect("it comes").expect("it is had");
    drop((second, keeping));
    assert_eq!(told(&changes(&one, 0).await), [tell("a", 1, ""), tell("b", 2, "")]);
}

/// Each has a name of its own and says how far it is; who left is not waited for.
pub async fn who_reports_is_seen_by_all_until_it_leaves<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    committed(&*one, vec![add("a", b"")]).await;
    let alone = shared(&one).report(Generation(0)).await.expect("reports are taken");
    assert_eq!(alone.len(), 1);
    let both = shared(&other).report(Generation(1)).await.expect("reports are taken");
    assert_eq!(both.len(), 2);
    let first = alone.first().expect("it is one").name.clone();
    for replica in &both {
        let through = u64::from(replica.name != first);
        assert_eq!(replica.through, Generation(through));
        assert!(replica.silent_for < LONG, "{replica:?}");
    }
    let further = shared(&one).report(Generation(1)).await.expect("reports are taken");
    assert!(further.iter().all(|replica| replica.through == Generation(1)), "{further:?}");
    shared(&one).leave().await.expect("it may leave");
    let left = shared(&other).report(Generation(1)).await.expect("reports are taken");
    assert!(left.iter().all(|replica| replica.name != first), "{left:?}");
    assert_eq!(left.len(), 1);
}

/// Where removals are forgotten, a coordinator that was away is told so, and not that nothing happened.
pub async fn what_is_forgotten_is_not_told_as_nothing<B: SharedBackend>(backend: &B) {
    let (one, other) = (backend.open().await, backend.open().await);
    let first = committed(&*one, vec![add("a", b"1"), add("b", b"1")]).await;
    committed(&*one, vec![Change::remove(Collection::Apps, "a", first)]).await;
    committed(&*one, vec![add("c", b"3")]).await;
    backend.forget_removals(&one).await;
    let refused = shared(&other).changes(first).await;
    assert!(
        matches!(refused, Err(StoreError::Forgotten { since }) if since == first),
        "{refused:?}"
    );
    assert_eq!(told(&changes(&other, 2).await), [tell("c", 3, "3")]);
    committed(&*other, vec![add("a", b"4")]).await;
    assert_eq!(told(&changes(&one, 3).await), [tell("a", 4, "4")]);
}
