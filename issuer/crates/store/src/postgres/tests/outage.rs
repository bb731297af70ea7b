//! Fault F7: the server is gone, or hangs.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::*;

/// From a fault to its answer, beside the time that an answer may take: what a busy machine adds.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashed_is_unavailable_at_once_and_used_again_when_it_is_back() {
    let server = PostgresServer::start();
    let place = Place::of(&server);
    let store = PostgresStore::open(place.impatient()).await.unwrap();
    store.commit(add("a")).await.unwrap();
    for round in 0..3 {
        server.crash();
        let began = Instant::now();
        let refused = store.commit(add("lost")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        until("it is told", async || store.health().is_err()).await;
        let refused = store.commit(add("lost")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        server.start_again();
        until("it is well again", async || store.health().is_ok()).await;
        store.commit(add(&format!("{round}"))).await.unwrap();
    }
    assert_eq!(ids(&store).await, ["0", "1", "2", "a"]);
    assert_eq!(store.generation(), Generation(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_commit_outlives_crashes_of_the_server() {
    let server = PostgresServer::start();
    let place = Place::of(&server);
    let store = Arc::new(PostgresStore::open(place.impatient()).await.unwrap());
    let writing = Arc::clone(&store);
    let over = Arc::new(AtomicBool::new(false));
    let crashes_are_over = Arc::clone(&over);
    let writer = tokio::spawn(async move {
        let (mut acknowledged, mut number) = (Vec::new(), 0);
        while !crashes_are_over.load(Ordering::SeqCst) || acknowledged.len() < 100 {
            let id = format!("{number:05}");
            number += 1;
            match writing.commit(add(&id)).await {
                Ok(generation) => acknowledged.push((id, generation)),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        acknowledged
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let crashed = &server;
        tokio::task::block_in_place(|| {
            crashed.crash();
            crashed.start_again();
        });
    }
    over.store(true, Ordering::SeqCst);
    let acknowledged = tokio::time::timeout(LONG, writer).await.unwrap().unwrap();
    until("it is well again", async || store.health().is_ok()).await;
    let mut there = std::collections::BTreeMap::new();
    let mut receive = |stored: Stored| {
        there.insert(stored.id, stored.revision);
        Ok(())
    };
    store.load(Collection::Apps, &mut receive).await.unwrap();
    for (id, generation) in &acknowledged {
        assert_eq!(there.get(id), Some(generation), "{id}");
    }
    // Whole by the sum too, with what happened and was not acknowledged.
    store.close().await;
    PostgresStore::check(place.impatient()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_answers_nobody_for_longer_than_an_answer_may_take() {
    use moneyer_authority::shared_store::SharedStore as _;
    let server = PostgresServer::start();
    let place = Place::of(&server);
    let store = PostgresStore::open(place.impatient()).await.unwrap();
    store.commit(add("a")).await.unwrap();
    let frozen = server.freeze();
    let began = Instant::now();
    let (committed, changed, loaded, turn, reported) = tokio::join!(
        store.commit(add("b")),
        store.changes(Generation(0)),
        ids_of(&store, Collection::Apps),
        store.turn(),
        store.report(Generation(1)),
    );
    assert!(matches!(committed, Err(StoreError::Unavailable(_))), "{committed:?}");
    assert!(matches!(changed, Err(StoreError::Unavailable(_))), "{changed:?}");
    assert!(matches!(loaded, Err(StoreError::Unavailable(_))), "{loaded:?}");
    assert!(matches!(turn, Err(StoreError::Unavailable(_))), "{turn:?}");
    assert!(matches!(reported, Err(StoreError::Unavailable(_))), "{reported:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    until("it is told", async || store.health().is_err()).await;
    let refused = Instant::now();
    store.commit(add("b")).await.unwrap_err();
    assert!(refused.elapsed() < Duration::from_millis(500), "refused without asking");
    drop(frozen);
    until("it is well again", async || store.health().is_ok()).await;
    store.commit(add("c")).await.unwrap();
    assert!(ids(&store).await.ends_with(&["c".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_once_however_many_connections_hang() {
    use moneyer_authority::shared_store::SharedStore as _;
    let server = PostgresServer::start();
    let place = Place::of(&server);
    let mut options = place.impatient();
    options.connections = 8;
    options.poll_every = Duration::from_secs(600);
    let store = Arc::new(PostgresStore::open(options).await.unwrap());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let store = Arc::clone(&store);
        asking.spawn(async move { store.changes(Generation(0)).await.unwrap() });
    }
    asking.join_all().await;
    let frozen = server.freeze();
    let began = Instant::now();
    store.changes(Generation(0)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(frozen);
    store.changes(Generation(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_holds_the_head_and_says_nothing_is_cut_off() {
    use sqlx::{Connection as _, Executor as _};
    let server = PostgresServer::start();
    let place = Place::of(&server);
    let store = PostgresStore::open(place.impatient()).await.unwrap();
    // As a coordinator that is frozen between two statements of a commit.
    let connections =
        connections::Connections::new(Arc::new(servers::Servers::new(place.impatient())));
    let mut frozen = connections.begin(connections::Purpose::Write).await.unwrap();
    let lock = frozen.connection().execute(sqlx::raw_sql("SELECT FROM moneyer_head FOR UPDATE"));
    lock.await.unwrap();
    until("others write", async || store.commit(add("a")).await.is_ok()).await;
    assert!(frozen.connection().ping().await.is_err());
}
