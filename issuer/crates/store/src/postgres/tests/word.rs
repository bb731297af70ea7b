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

/// A place whose coordinators are told four changes at once.
struct Pieces(Place);

#[async_trait]
impl SharedBackend for Pieces {
    type Store = PostgresStore;

    async fn open(&self) -> Arc<PostgresStore> {
        let mut options = self.0.options();
        options.told_at_once = 4;
        Arc::new(PostgresStore::open(options).await.unwrap())
    }

    async fn forget_removals(&self, store: &PostgresStore) {
        store.forget_removals().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_for_long_is_told_in_pieces() {
    let pieces = Pieces(Place::new());
    moneyer_testkit::store::a_long_time_is_told_in_pieces(&pieces).await;
    let store = SharedBackend::open(&pieces).await;
    let first = store.shared().unwrap().changes(Generation(0)).await.unwrap();
    assert_eq!((first.changed.len(), first.through, first.more), (5, Generation(2), true));
    let last = store.shared().unwrap().changes(Generation(7)).await.unwrap();
    assert_eq!((last.changed.len(), last.through, last.more), (1, Generation(9), false));
}
