//! Sealed records: nothing of a key is in the database, and only its own place opens it (promise P9).

use super::*;

const CANARY: &[u8] = b"-----the private key nobody may read-----";

fn key(id: &str) -> Change {
    let (collection, expected) = (Collection::Keys, Expected::Absent);
    Change { collection, id: id.to_owned(), expected, value: Some(CANARY.to_vec().into()) }
}

async fn open(place: &Place, sealing: Option<Sealing>) -> Result<PostgresStore, PostgresError> {
    let mut options = place.options();
    options.sealing = sealing;
    PostgresStore::open(options).await
}

/// Whether any row holds the canary.
fn is_in_the_database(place: &Place) -> bool {
    let canary = String::from_utf8(CANARY.to_vec()).unwrap();
    let found =
        format!("SELECT bool_or(position('{canary}'::bytea IN envelope) > 0) FROM moneyer_records");
    place.sql(&found) == "t"
}

#[tokio::test]
async fn no_row_holds_a_key_and_without_sealing_the_search_finds_it() {
    let (sealed, plain) = (Place::new(), Place::new());
    for (place, sealing) in [(&sealed, Some(sealing(7, &[]))), (&plain, None)] {
        let store = open(place, sealing).await.unwrap();
        store.commit(vec![key("key-1")]).await.unwrap();
        store.close().await;
    }
    assert!(!is_in_the_database(&sealed));
    assert!(is_in_the_database(&plain), "the search finds nothing where there is something");
    let store = open(&sealed, Some(sealing(7, &[]))).await.unwrap();
    let mut values = Vec::new();
    let mut receive = |stored: Stored| {
        values.push(stored.value.to_vec());
        Ok(())
    };
    store.load(Collection::Keys, &mut receive).await.unwrap();
    assert_eq!(values, [CANARY]);
}

#[tokio::test]
async fn another_key_and_none_do_not_open_it_and_it_keeps_its_name() {
    let place = Place::new();
    open(&place, Some(sealing(7, &[]))).await.unwrap().close().await;
    let refused = open(&place, Some(sealing(8, &[]))).await.unwrap_err();
    assert!(matches!(refused, PostgresError::Key(_)), "{refused:?}");
    assert!(refused.is_damage());
    let text = chain(&open(&place, None).await.unwrap_err());
    assert!(text.contains("was made sealed; it is opened unsealed"), "{text}");
    let mut renamed = sealing(8, &[7]);
    "id.example.net".clone_into(&mut renamed.cluster);
    open(&place, Some(renamed)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_sealed_record_opens_in_its_own_place_only() {
    let place = Place::new();
    let store = open(&place, Some(sealing(7, &[]))).await.unwrap();
    store.commit(vec![key("key-1")]).await.unwrap();
    store.commit(vec![key("key-2")]).await.unwrap();
    place.sql(
        "UPDATE moneyer_records SET (revision, envelope) = \
         (SELECT revision, envelope FROM moneyer_records WHERE id = 'key-1') WHERE id = 'key-2'",
    );
    let damaged = ids_of(&store, Collection::Keys).await.unwrap_err();
    assert!(matches!(&damaged, StoreError::Damaged { id, .. } if id == "key-2"), "{damaged:?}");
}

// F30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sealing_anew_nothing_needs_the_old_key_and_others_go_on() {
    use moneyer_authority::shared_store::SharedStore as _;
    let place = Place::new();
    let before = open(&place, Some(sealing(7, &[]))).await.unwrap();
    before.commit(vec![key("key-1"), key("key-2")]).await.unwrap();
    before.commit(add("a")).await.unwrap();
    before.close().await;
    let both = || Some(sealing(8, &[7]));
    let (one, other) = (open(&place, both()).await.unwrap(), open(&place, both()).await.unwrap());
    assert_eq!(one.rekey().await.unwrap(), Generation(3));
    until("the other knows", async || other.generation() == Generation(3)).await;
    other.health().unwrap();
    let changes = other.changes(Generation(2)).await.unwrap();
    assert_eq!((changes.changed.len(), changes.through), (0, Generation(3)));
    other.commit(add("b")).await.unwrap();
    let after = open(&place, Some(sealing(8, &[]))).await.unwrap();
    assert_eq!(ids_of(&after, Collection::Keys).await.unwrap(), ["key-1", "key-2"]);
    let refused = open(&place, Some(sealing(7, &[]))).await.unwrap_err();
    assert!(matches!(refused, PostgresError::Key(_)), "{refused:?}");
}
