//! Word of commits, without the asking behind it.

use moneyer_authority::shared_store::SharedStore as _;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn word_of_a_commit_comes_without_asking() {
    let place = Place::new();
    let mut options = place.options();
    options.poll_every = Duration::from_secs(600);
    let other = PostgresStore::open(options).await.unwrap();
    let one = place.store().await;
    // It listens once the head was asked for the first time.
    let listens = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    until("both listen", async || place.sql(listens) == "2").await;
    for round in 0..5 {
        let before = other.generation();
        one.commit(add(&format!("{round}"))).await.unwrap();
        tokio::time::timeout(LONG, other.news(before)).await.unwrap();
        assert!(other.generation() > before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_of_word_is_made_anew() {
    let place = Place::new();
    let one = place.store().await;
    let listeners = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    until("it listens", async || !place.sql(listeners).is_empty()).await;
    let first = place.sql(listeners);
    place.sql(&format!("SELECT pg_terminate_backend({first})"));
    until("it listens again", async || {
        let now = place.sql(listeners);
        !now.is_empty() && now != first
    })
    .await;
    one.health().unwrap();
}
