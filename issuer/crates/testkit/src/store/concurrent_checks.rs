//! Commits at the same time.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]
#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_authority::store::{Change, Collection, Expected, Generation, Store, StoreError};
use tokio::task::JoinSet;

use super::Backend;
use super::checks::{add, all, committed, put};

/// Commits that run at once.
const COMMITS: usize = 64;

/// Runs every commit in a task of its own.
async fn at_once<S: Store + 'static>(
    store: &Arc<S>,
    commits: impl Iterator<Item = Vec<Change>> + Send,
) -> Vec<Result<Generation, StoreError>> {
    let mut tasks = JoinSet::new();
    for changes in commits {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.commit(changes).await });
    }
    tasks.join_all().await
}

/// No commit is refused because of another that has nothing to do with it.
pub async fn commits_of_distinct_records_all_succeed<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let commits = (0..COMMITS).map(|number| vec![add(&format!("{number:03}"), b"value")]);
    for outcome in at_once(&store, commits).await {
        outcome.expect("a commit of its own record succeeds");
    }
    let stored = all(&*store, Collection::Apps).await;
    let ids: Vec<_> = stored.into_iter().map(|stored| stored.id).collect();
    assert_eq!(ids, (0..COMMITS).map(|number| format!("{number:03}")).collect::<Vec<_>>());
}

/// Compare and set has one winner, whose value is there; the others are told of a conflict.
pub async fn of_commits_that_replace_the_same_record_one_wins<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let mut expected = Expected::Absent;
    for round in 0..4 {
        let commits = (0..COMMITS).map(|number| {
            let value = format!("{round}-{number}");
            vec![put(Collection::Apps, "contended", expected, value.as_bytes())]
        });
        let mut winners = Vec::new();
        for outcome in at_once(&store, commits).await {
            match outcome {
                Ok(generation) => winners.push(generation),
                Err(StoreError::Conflict { id, .. }) => assert_eq!(id, "contended"),
                Err(error) => assert_eq!(format!("{error:?}"), "a conflict"),
            }
        }
        let stored = all(&*store, Collection::Apps).await;
        let revisions: Vec<_> = stored.iter().map(|stored| stored.revision).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(winners, revisions);
        expected = Expected::Revision(winners.remove(0));
    }
    assert_eq!(store.generation(), Generation(4));
}

/// Each acknowledged commit has its own generation, without a gap.
pub async fn concurrent_commits_share_no_generation<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let first = committed(&*store, vec![add("first", b"")]).await;
    let commits = (0..COMMITS).map(|number| vec![add(&format!("{number}"), b"")]);
    let outcomes = at_once(&store, commits).await;
    let generations: BTreeSet<u64> =
        outcomes.into_iter().map(|outcome| outcome.expect("it succeeds").0).collect();
    let last = first.0 + u64::try_from(COMMITS).expect("a small number");
    assert_eq!(generations, (first.0 + 1..=last).collect());
    assert_eq!(store.generation(), Generation(last));
}
