//! Faults F1, F4 and F5: after a failed sync nothing is acknowledged, and the store comes back by itself
//! with everything that was, and nothing that was not.

use std::time::Duration;

use super::*;

/// Waits, on the writer's own clock, until the store writes again.
pub(super) async fn until_it_writes(store: &SledStore) {
    for _ in 0..100 {
        if store.health().is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never wrote again: {:?}", store.health());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_sync_left_is_taken_back_and_writing_goes_on() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = gate.open_store(&place);
    store.commit(add("before")).await.unwrap();
    gate.change(|state| state.broken = true);
    let failed = store.commit(add("during")).await.unwrap_err();
    assert!(chain(&failed).contains("synced to disk"), "{}", chain(&failed));
    assert!(store.health().is_err());
    assert_eq!(store.generation(), Generation(1));
    let read = ids(&store).await.unwrap_err();
    assert!(
        chain(&read).contains("synced to disk"),
        "what may be taken back is not shown: {read:?}"
    );
    gate.change(|state| state.broken = false);
    until_it_writes(&store).await;
    assert_eq!(ids(&store).await.unwrap(), ["before"], "it was told that it did not happen");
    // It never happened, so it may happen now.
    assert_eq!(store.commit(add("during")).await.unwrap(), Generation(2));
    store.close().await;
    let store = place.try_open().unwrap();
    assert_eq!(ids(&store).await.unwrap(), ["before", "during"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_taken_back_at_a_close_too() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = gate.open_store(&place);
    store.commit(add("before")).await.unwrap();
    gate.change(|state| state.broken = true);
    store.commit(add("during")).await.unwrap_err();
    // The disk works again, and there is no time to notice.
    gate.change(|state| state.broken = false);
    store.close().await;
    assert_eq!(ids(&place.try_open().unwrap()).await.unwrap(), ["before"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_never_named_in_the_catalogue_is_there_or_not_after_a_crash() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = gate.open_store(&place);
    store.commit(add("before")).await.unwrap();
    gate.change(|state| state.broken = true);
    store.commit(add("during")).await.unwrap_err();
    store.close().await;
    // As after a crash: sled is one group ahead of the catalogue, which is no loss.
    let store = place.try_open().unwrap();
    let found = ids(&store).await.unwrap();
    assert!(found == ["before"] || found == ["before", "during"], "{found:?}");
    store.commit(add("after")).await.unwrap();
    store.close().await;
    assert!(ids(&place.try_open().unwrap()).await.unwrap().contains(&"after".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_again_while_the_group_is_taken_back_ends_in_no_false_loss() {
    for collection in [Collection::Apps, Collection::Keys] {
        let (place, gate) = (Place::new(), Gate::default());
        let store = gate.open_store(&place);
        store.commit(add("before")).await.unwrap();
        gate.change(|state| state.broken = true);
        let (id, expected) = ("during".to_owned(), Expected::Absent);
        let change = Change { collection, id, expected, value: Some(b"during".to_vec().into()) };
        store.commit(vec![change.clone()]).await.unwrap_err();
        // The attempt to take it back fails too.
        for _ in 0..100 {
            if gate.waits() >= 3 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        gate.change(|state| state.broken = false);
        until_it_writes(&store).await;
        assert_eq!(ids(&store).await.unwrap(), ["before"], "{collection:?}");
        assert_eq!(store.commit(vec![change]).await.unwrap(), Generation(2), "{collection:?}");
        store.close().await;
        assert_eq!(place.try_open().unwrap().generation(), Generation(2), "{collection:?}");
    }
}
