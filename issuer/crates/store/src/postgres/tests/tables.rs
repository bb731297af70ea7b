//! Tables: made once, by whoever comes first, and never by who does not know them.

use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_come_first_make_one_store() {
    let place = Place::new();
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let options = place.options();
        opening.spawn(async move { PostgresStore::open(options).await.unwrap() });
    }
    let stores = opening.join_all().await;
    let first = stores[0].incarnation();
    assert!(stores.iter().all(|store| store.incarnation() == first));
    for (number, store) in stores.iter().enumerate() {
        let generation = store.commit(add(&format!("{number}"))).await.unwrap();
        assert_eq!(generation.0, u64::try_from(number).unwrap() + 1);
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let place = Place::new();
    place.store().await.close().await;
    place.sql("INSERT INTO moneyer_schema (version) VALUES (3)");
    let before = place.sql("SELECT head FROM moneyer_head");
    for refused in [
        PostgresStore::open(place.options()).await.map(drop),
        PostgresStore::check(place.options()).await.map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, PostgresError::Newer { found: 3, known: 2 }), "{refused:?}");
    }
    assert_eq!(place.sql("SELECT head FROM moneyer_head"), before);
}

/// An older version takes records of a collection that it does not know for damage. So whoever adds a collection
/// makes a new version of the tables, which the older version refuses to touch, and then changes this.
#[test]
fn a_new_collection_is_a_new_version_of_the_tables() {
    assert_eq!((schema::known(), Collection::ALL.len()), (2, 20));
}

#[tokio::test]
async fn a_role_that_may_only_read_and_write_rows_is_enough_once_they_are_made() {
    let place = Place::new();
    let role = format!("role_{}", place.database);
    place.sql(&format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM public"));
    let url =
        PostgresServer::shared().url(&place.database).replace("postgres@", &format!("{role}@"));
    let options = PostgresOptions::new(DatabaseUrl::parse(&url).unwrap());
    let refused = PostgresStore::open(options.clone()).await.unwrap_err();
    assert!(matches!(refused, PostgresError::Schema(_)), "{refused:?}");
    assert!(chain(&refused).contains("GRANT CREATE"), "{refused}");
    place.store().await.close().await;
    place.sql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let store = PostgresStore::open(options).await.unwrap();
    store.commit(add("a")).await.unwrap();
    store.forget_removals().await.unwrap();
}

#[tokio::test]
async fn looking_at_an_empty_database_makes_nothing() {
    let place = Place::new();
    let refused = PostgresStore::check(place.options()).await.unwrap_err();
    assert!(matches!(refused, PostgresError::Absent), "{refused:?}");
    assert_eq!(place.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    place.store().await.commit(add("a")).await.unwrap();
    assert_eq!(PostgresStore::check(place.options()).await.unwrap(), Generation(1));
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_even_where_the_server_would_not() {
    let place = Place::new();
    place.sql(&format!("ALTER DATABASE {} SET synchronous_commit = off", place.database));
    place.sql(
        "CREATE TABLE seen (setting text); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'",
    );
    place.store().await.close().await;
    place.sql("CREATE TRIGGER see AFTER UPDATE ON moneyer_head EXECUTE FUNCTION see()");
    let mut options = place.options();
    PostgresStore::open(options.clone()).await.unwrap().commit(vec![]).await.unwrap();
    options.remote_apply = true;
    PostgresStore::open(options).await.unwrap().commit(vec![]).await.unwrap();
    assert_eq!(place.sql("SELECT setting FROM seen"), "on\nremote_apply");
}
