//! Rows that are not as they were written: by accident or by somebody's hand.

use super::*;

async fn reopened(place: &Place) -> Result<PostgresStore, PostgresError> {
    PostgresStore::open(place.options()).await
}

async fn with_two(place: &Place) -> Arc<PostgresStore> {
    let store = place.store().await;
    store.commit(add("a")).await.unwrap();
    store.commit(add("b")).await.unwrap();
    store
}

#[tokio::test]
async fn a_changed_value_is_damaged_by_its_name() {
    let place = Place::new();
    let store = with_two(&place).await;
    place.sql("UPDATE moneyer_records SET envelope = set_byte(envelope, 17, 0) WHERE id = 'b'");
    let damaged = ids_of(&store, Collection::Apps).await.unwrap_err();
    assert!(matches!(&damaged, StoreError::Damaged { id, .. } if id == "b"), "{damaged:?}");
    let replace = Change::remove(Collection::Apps, "b", Generation(2));
    let refused = store.commit(vec![replace]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    // Of others nothing is refused for it.
    store.commit(add("c")).await.unwrap();
    store.close().await;
    let refused = reopened(&place).await.unwrap_err().to_string();
    assert!(refused.contains("apps/b: the apps record b is damaged"), "{refused}");
    assert!(refused.contains("--accept-loss 3"), "{refused}");
}

#[tokio::test]
async fn a_removed_a_returned_and_an_added_row_are_noticed() {
    let hands = [
        "DELETE FROM moneyer_records WHERE id = 'a'",
        "UPDATE moneyer_records SET envelope = NULL WHERE id = 'a'",
        "UPDATE moneyer_records SET revision = 3 WHERE id = 'a'",
        "INSERT INTO moneyer_records SELECT 'scopes', id, revision, envelope FROM moneyer_records WHERE id = 'a'",
        "INSERT INTO moneyer_records SELECT 'nonsense', id, revision, envelope FROM moneyer_records",
    ];
    for hand in hands {
        let place = Place::new();
        let store = with_two(&place).await;
        store.close().await;
        reopened(&place).await.unwrap().close().await;
        place.sql(hand);
        let refused = reopened(&place).await;
        assert!(matches!(refused, Err(PostgresError::Loss { .. })), "{hand}: {refused:?}");
        let checked = PostgresStore::check(place.options()).await;
        assert!(matches!(checked, Err(PostgresError::Loss { .. })), "{hand}: {checked:?}");
    }
}

#[tokio::test]
async fn an_old_row_that_is_put_back_is_noticed() {
    let place = Place::new();
    let store = with_two(&place).await;
    place.sql("CREATE TABLE kept AS SELECT * FROM moneyer_records");
    store.commit(vec![Change::remove(Collection::Apps, "a", Generation(1))]).await.unwrap();
    store.close().await;
    place.sql("DELETE FROM moneyer_records; INSERT INTO moneyer_records SELECT * FROM kept");
    let refused = reopened(&place).await.unwrap_err().to_string();
    assert!(refused.contains("2 are there, 1 must be"), "{refused}");
}

#[tokio::test]
async fn a_loss_is_accepted_at_its_generation_only_and_makes_another_life() {
    let place = Place::new();
    let store = with_two(&place).await;
    let receipt = store.receipt();
    place.sql("UPDATE moneyer_records SET envelope = 'nonsense' WHERE id = 'a'");
    let accepting = |generation| {
        let mut options = place.options();
        options.accept_loss = Some(Generation(generation));
        PostgresStore::open(options)
    };
    let refused = accepting(1).await.unwrap_err();
    assert!(matches!(refused, PostgresError::OtherLoss { .. }), "{refused:?}");
    let after = accepting(2).await.unwrap();
    assert!(after.loss_accepted());
    assert_eq!(ids(&after).await, ["b"]);
    assert_eq!(after.commit(add("c")).await.unwrap(), Generation(3));
    assert_eq!(after.hear(&receipt), Testimony::OtherLife);
    // Who had it open before learns of it and writes no more.
    until("the other life is noticed", async || store.health().is_err()).await;
    let text = chain(&store.commit(add("d")).await.unwrap_err());
    assert!(text.contains("another life of it"), "{text}");
    after.close().await;
    reopened(&place).await.unwrap();
}

#[tokio::test]
async fn a_head_that_somebody_changed_stops_every_write() {
    for hand in [
        "UPDATE moneyer_head SET generation = generation + 1",
        "UPDATE moneyer_head SET head = set_byte(head, 70, get_byte(head, 70) # 1)",
        "DELETE FROM moneyer_head",
    ] {
        let place = Place::new();
        let store = with_two(&place).await;
        place.sql(hand);
        let refused = store.commit(add("c")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{hand}: {refused:?}");
        until("it is told", async || store.health().is_err()).await;
    }
}

#[tokio::test]
async fn receipts_prove_what_the_store_has_come_to() {
    let place = Place::new();
    let store = with_two(&place).await;
    let receipt = store.receipt();
    assert_eq!(store.hear(&receipt), Testimony::Known);
    let mut forged = receipt.clone();
    forged.generation = Generation(9);
    assert_eq!(store.hear(&forged), Testimony::Forged);
    let further = place.store().await;
    further.commit(add("c")).await.unwrap();
    let ahead = further.receipt();
    until("both know", async || store.hear(&ahead) == Testimony::Known).await;
}

#[tokio::test]
async fn a_change_that_is_damaged_is_told_as_nothing_and_holds_back_no_other() {
    let place = Place::new();
    let store = with_two(&place).await;
    let before = store.generation();
    store.commit(add("c")).await.unwrap();
    store.commit(add("d")).await.unwrap();
    place.sql("UPDATE moneyer_records SET envelope = '\\x00' WHERE id = 'c'");
    let changes = store.shared().unwrap().changes(before).await.unwrap();
    let told = changes
        .changed
        .iter()
        .map(|one| (one.id.as_str(), one.value.as_ref().map(|value| value.to_vec())));
    let told: Vec<_> = told.collect();
    assert_eq!(told, [("c", Some(Vec::new())), ("d", Some(b"d".to_vec()))]);
    assert_eq!((changes.through, changes.more), (store.generation(), false));
}
