//! Fault F8: a standby takes over, with everything or without.

use moneyer_authority::shared_store::SharedStore as _;

use super::*;

/// A store on a primary that a standby follows, with both named.
struct Pair {
    primary: PostgresServer,
    standby: PostgresServer,
    place: Place,
}

impl Pair {
    fn new() -> Self {
        let primary = PostgresServer::start();
        let place = Place::of(&primary);
        let standby = primary.standby();
        let hosts = [&standby, &primary].map(|server| format!("127.0.0.1:{}", server.port()));
        let text =
            format!("postgres://postgres@{}/{}?sslmode=disable", hosts.join(","), place.database);
        let url = DatabaseUrl::parse(&text).unwrap();
        Self { primary, standby, place: Place { url, ..place } }
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(self.place.impatient()).await.unwrap()
    }

    /// Waits until the standby has everything.
    async fn caught_up(&self) {
        let sent = self.primary.sql("postgres", "SELECT pg_current_wal_lsn()");
        let there = format!("SELECT pg_last_wal_replay_lsn() >= '{sent}'");
        until("the standby has all", async || self.standby.sql("postgres", &there) == "t").await;
    }

    /// No more of what is committed reaches the standby.
    async fn part(&self) {
        self.standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        self.standby.sql("postgres", "SELECT pg_reload_conf()");
        let followed = "SELECT count(*) FROM pg_stat_wal_receiver";
        until("nothing follows", async || self.standby.sql("postgres", followed) == "0").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_has_everything_takes_over_and_nobody_misses_anything() {
    let pair = Pair::new();
    let store = pair.store().await;
    store.commit(add("a")).await.unwrap();
    store.commit(add("b")).await.unwrap();
    pair.caught_up().await;
    pair.primary.crash();
    pair.standby.promote();
    until("it is well again", async || {
        store.health().is_ok() && store.commit(add("c")).await.is_ok()
    })
    .await;
    assert_eq!(store.generation(), Generation(3));
    let changes = store.changes(Generation(1)).await.unwrap();
    let told: Vec<_> =
        changes.changed.iter().map(|one| (one.id.as_str(), one.revision.0)).collect();
    assert_eq!((told, changes.through), (vec![("b", 2), ("c", 3)], Generation(3)));
    // The old one comes back: nobody who knows both goes there first, and it is behind.
    assert_eq!(ids(&store).await, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lacks_a_commit_is_not_written_to() {
    let pair = Pair::new();
    let store = pair.store().await;
    store.commit(add("a")).await.unwrap();
    pair.caught_up().await;
    pair.part().await;
    store.commit(add("lost")).await.unwrap();
    pair.primary.crash();
    pair.standby.promote();
    let rolled_back = |error: &StoreError| {
        matches!(error, StoreError::RolledBack { seen: Generation(2), there: Generation(1) })
    };
    until("it is noticed", async || store.health().is_err_and(|error| rolled_back(&error))).await;
    let refused = store.commit(add("b")).await.unwrap_err();
    assert!(rolled_back(&refused), "{refused:?}");
    assert!(refused.to_string().contains("--accept-loss 1"), "{refused}");
    let refused = store.changes(Generation(1)).await.unwrap_err();
    assert!(rolled_back(&refused), "{refused:?}");
    // Another coordinator, which never heard of what was lost, knows no better: it goes on there. The
    // first one still notices, though the numbers have come further than it was told.
    let other = pair.store().await;
    for id in ["x", "y", "z"] {
        other.commit(add(id)).await.unwrap();
    }
    assert_eq!(other.generation(), Generation(4));
    until("it is noticed still", async || {
        matches!(
            store.commit(add("b")).await,
            Err(StoreError::RolledBack { there: Generation(4), .. })
        )
    })
    .await;
    // The first one proves it to whoever hears its receipt.
    let receipt = store.receipt();
    assert_eq!(receipt.generation, Generation(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_primaries_with_one_number_the_other_one_is_noticed() {
    let pair = Pair::new();
    let store = pair.store().await;
    store.commit(add("a")).await.unwrap();
    pair.caught_up().await;
    pair.part().await;
    pair.standby.promote();
    // Both may be written now. One goes on with the old primary, another with the new one.
    let alone = |server: &PostgresServer| {
        let text = format!(
            "postgres://postgres@127.0.0.1:{}/{}?sslmode=disable",
            server.port(),
            pair.place.database
        );
        PostgresOptions::new(DatabaseUrl::parse(&text).unwrap())
    };
    store.commit(add("old")).await.unwrap();
    let other = PostgresStore::open(alone(&pair.standby)).await.unwrap();
    other.commit(add("new")).await.unwrap();
    assert_eq!((store.generation(), other.generation()), (Generation(2), Generation(2)));
    pair.primary.crash();
    until("it is noticed", async || {
        matches!(store.health(), Err(StoreError::RolledBack { there: Generation(2), .. }))
    })
    .await;
    store.commit(add("b")).await.unwrap_err();
    assert_eq!(ids(&other).await, ["a", "new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_alone_is_refused_by_its_name() {
    let pair = Pair::new();
    pair.primary.crash();
    let refused = chain(&PostgresStore::open(pair.place.impatient()).await.unwrap_err());
    assert!(refused.contains("no PostgreSQL server that may be written"), "{refused}");
    let standby = format!("127.0.0.1:{}: it may not be written (a standby)", pair.standby.port());
    assert!(refused.contains(&standby), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_its_synchronous_standby_does_not_have_is_not_acknowledged() {
    let pair = Pair::new();
    pair.primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    pair.primary.sql("postgres", "SELECT pg_reload_conf()");
    let mut options = pair.place.impatient();
    options.remote_apply = true;
    let store = PostgresStore::open(options).await.unwrap();
    store.commit(add("a")).await.unwrap();
    let frozen = pair.standby.freeze();
    let refused = store.commit(add("b")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    drop(frozen);
    until("others are acknowledged again", async || store.commit(add("c")).await.is_ok()).await;
    pair.primary.crash();
    pair.standby.promote();
    until("nothing acknowledged is lost", async || store.health().is_ok()).await;
    assert!(ids(&store).await.contains(&"c".to_owned()));
}
