//! All at once, with somebody who follows.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]
#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moneyer_authority::store::{
    Change, Collection, Expected, Generation, Store, StoreError, Stored,
};
use tokio::task::JoinSet;

use super::SharedBackend;
use super::checks::{add, all, put};
use super::shared_checks::{changes, shared};

/// Commits of each task.
const COMMITS: usize = 40;

/// Records that all of them are about.
const RECORDS: usize = 7;

/// Collection and id to revision and value.
type Copy = BTreeMap<(Collection, String), (Generation, Vec<u8>)>;

/// Follows what changes until it has seen all up to `last`. What is told lies between what it knew and what it is told
/// to know, in order.
async fn follow<S: Store>(store: Arc<S>, last: impl Future<Output = Generation>) -> Copy {
    let (mut copy, mut through) = (Copy::new(), Generation(0));
    let mut end = None;
    tokio::pin!(last);
    while end.is_none_or(|end| through < end) {
        if end.is_none() {
            tokio::select! {
                biased;
                last = &mut last => end = Some(last),
                () = shared(&store).news(through) => {}
            }
        }
        let seen = changes(&store, through.0).await;
        let revisions: Vec<_> = seen.changed.iter().map(|one| one.revision).collect();
        assert!(revisions.is_sorted(), "{revisions:?}");
        let between = |revision: &Generation| through < *revision && *revision <= seen.through;
        assert!(revisions.iter().all(between), "{through} {revisions:?} {}", seen.through);
        assert!(through <= seen.through);
        through = seen.through;
        for one in seen.changed {
            let at = (one.collection, one.id);
            match one.value {
                Some(value) => drop(copy.insert(at, (one.revision, value.to_vec()))),
                None => drop(copy.remove(&at)),
            }
        }
    }
    copy
}

/// Writes, replaces and removes a few records, of which others do the same. Returns the last generation of its own.
async fn meddle<S: Store>(store: Arc<S>, own: usize) -> Generation {
    let mut last = Generation(0);
    for round in 0..COMMITS {
        let id = format!("{}", (round * 3 + own) % RECORDS);
        let stored = all(&*store, Collection::Apps).await;
        let there = stored.iter().find(|stored| stored.id == id);
        let value = format!("{own} {round}");
        let change = match there {
            Some(Stored { revision, .. }) if (round + own).is_multiple_of(4) => {
                Change::remove(Collection::Apps, &id, *revision)
            }
            Some(Stored { revision, .. }) => {
                put(Collection::Apps, &id, Expected::Revision(*revision), value.as_bytes())
            }
            None => add(&id, value.as_bytes()),
        };
        match store.commit(vec![change]).await {
            Ok(generation) => last = generation,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => assert_eq!(format!("{error:?}"), "a conflict"),
        }
    }
    last
}

/// Who follows ends with what is there, however the commits of all fall.
pub async fn nothing_is_missed_while_all_commit<B: SharedBackend>(backend: &B) {
    let stores = [backend.open().await, backend.open().await];
    let mut meddling = JoinSet::new();
    for own in 0..4 {
        let store = stores.get(own % 2).expect("there are two");
        meddling.spawn(meddle(Arc::clone(store), own));
    }
    let (say, said) = tokio::sync::oneshot::channel();
    let third = backend.open().await;
    let following = tokio::spawn(follow(third, async { said.await.expect("it is said") }));
    let last = meddling.join_all().await.into_iter().max().expect("there are some");
    say.send(last).expect("it is heard");
    let copy = following.await.expect("the follower ends well");
    for store in &stores {
        let there: Copy = all(&**store, Collection::Apps)
            .await
            .into_iter()
            .map(|one| ((Collection::Apps, one.id), (one.revision, one.value.to_vec())))
            .collect();
        assert_eq!(copy, there);
    }
}

/// No two commits have one generation, and none is left out, whoever makes them.
pub async fn generations_of_all_are_one_line<B: SharedBackend>(backend: &B) {
    let stores = [backend.open().await, backend.open().await];
    let mut tasks = JoinSet::new();
    for number in 0..COMMITS {
        let store = Arc::clone(stores.get(number % 2).expect("there are two"));
        tasks.spawn(async move { store.commit(vec![add(&format!("{number}"), b"")]).await });
    }
    let generations: BTreeSet<_> =
        tasks.join_all().await.into_iter().map(|one| one.expect("it succeeds").0).collect();
    let wanted = u64::try_from(COMMITS).expect("a small number");
    assert_eq!(generations, (1..=wanted).collect());
}
