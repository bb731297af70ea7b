//! Turns of those who are gone without a word.

use moneyer_authority::shared_store::SharedStore as _;

use super::turn::Queue;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_turn_and_says_nothing_loses_it() {
    let place = Place::new();
    let (store, other) = (place.store().await, place.store().await);
    // Held by one who has the lock and, as if frozen, never says anything more.
    let mut frozen = Queue::join(&store.servers, store.keeping()).await.unwrap();
    assert!(frozen.lock().await.unwrap());
    assert!(other.turn().await.unwrap().is_none());
    until("another has the turn", async || other.turn().await.unwrap().is_some()).await;
    frozen.lock().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_turn_and_says_so_keeps_it() {
    let place = Place::new();
    let (store, other) = (place.store().await, place.store().await);
    let turn = store.turn().await.unwrap().unwrap();
    // Longer than the server waits for a word.
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert!(other.turn().await.unwrap().is_none());
    drop(turn);
    until("another has the turn", async || other.turn().await.unwrap().is_some()).await;
}
