//! Reading, writing, compare and set, generations.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]
#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use moneyer_authority::store::{
    Change, Collection, Expected, Generation, Store, StoreError, Stored,
};

use super::Backend;

/// A change that writes a record.
pub(super) fn put(collection: Collection, id: &str, expected: Expected, value: &[u8]) -> Change {
    Change { collection, id: id.to_owned(), expected, value: Some(value.to_vec().into()) }
}

/// A change that writes an app that is not there.
pub(super) fn add(id: &str, value: &[u8]) -> Change {
    put(Collection::Apps, id, Expected::Absent, value)
}

/// Every record of a collection.
pub(super) async fn all(store: &dyn Store, collection: Collection) -> Vec<Stored> {
    let mut records = Vec::new();
    let mut receive = |stored| {
        records.push(stored);
        Ok(())
    };
    store.load(collection, &mut receive).await.expect("the collection loads");
    records
}

/// Id and value of every app.
pub(super) async fn apps(store: &dyn Store) -> Vec<(String, Vec<u8>)> {
    let records = all(store, Collection::Apps).await;
    records.into_iter().map(|stored| (stored.id, stored.value.to_vec())).collect()
}

/// The generation of a commit that must succeed.
pub(super) async fn committed(store: &dyn Store, changes: Vec<Change>) -> Generation {
    store.commit(changes).await.expect("the commit succeeds")
}

/// A commit that must conflict, and over which record.
pub(super) async fn conflicts(store: &dyn Store, changes: Vec<Change>, over: &str) {
    match store.commit(changes).await {
        Err(StoreError::Conflict { id, .. }) => assert_eq!(id, over),
        other => assert_eq!(format!("{other:?}"), "a conflict"),
    }
}

/// A new store has no records, is at generation zero and can be written.
pub async fn an_empty_store_has_no_records<B: Backend>(backend: &B) {
    let store = backend.open().await;
    for collection in Collection::ALL {
        assert_eq!(all(&*store, collection).await, Vec::new());
    }
    assert_eq!(store.generation(), Generation(0));
    store.health().expect("an empty store is healthy");
}

/// The order is that of the ids' bytes, not of a language or of writing.
pub async fn records_come_back_in_the_order_of_their_ids<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let ordered =
        ["-", "1", "10", "2", "B", "a", "a b", "a-b", "aa", "b", "z", "\u{e9}", "\u{1f600}"];
    for id in ["a", "z", "\u{1f600}", "10", "aa", "2", "-", "b", "B", "\u{e9}", "1"] {
        committed(&*store, vec![add(id, id.as_bytes())]).await;
    }
    committed(&*store, vec![add("a-b", b"a-b"), add("a b", b"a b")]).await;
    let expected: Vec<_> =
        ordered.iter().map(|id| ((*id).to_owned(), id.as_bytes().to_vec())).collect();
    assert_eq!(apps(&*store).await, expected);
}

/// A value is bytes, not text; no bytes at all are a value too.
pub async fn any_bytes_come_back_unchanged<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let every: Vec<u8> = (0..=u8::MAX).collect();
    committed(&*store, vec![add("every", &every), add("none", b""), add("zero", b"\0")]).await;
    let expected = [("every", every), ("none", Vec::new()), ("zero", vec![0])];
    assert_eq!(apps(&*store).await, expected.map(|(id, value)| (id.to_owned(), value)));
}

/// `Absent` writes a new record and never replaces one.
pub async fn a_record_that_must_be_absent_is_written_once<B: Backend>(backend: &B) {
    let store = backend.open().await;
    committed(&*store, vec![add("a", b"first")]).await;
    conflicts(&*store, vec![add("a", b"second")], "a").await;
    assert_eq!(apps(&*store).await, [("a".to_owned(), b"first".to_vec())]);
    assert_eq!(store.generation(), Generation(1));
}

/// `Revision` replaces the record of that revision: no older, no newer, no absent one.
pub async fn a_revision_must_be_the_current_one<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let first = committed(&*store, vec![add("a", b"first")]).await;
    let replace =
        |revision| vec![put(Collection::Apps, "a", Expected::Revision(revision), b"replaced")];
    let second = committed(&*store, replace(first)).await;
    conflicts(&*store, replace(first), "a").await;
    conflicts(&*store, replace(Generation(second.0 + 1)), "a").await;
    conflicts(&*store, replace(Generation(0)), "a").await;
    let missing = put(Collection::Apps, "b", Expected::Revision(second), b"b");
    conflicts(&*store, vec![missing], "b").await;
    let stored = all(&*store, Collection::Apps).await;
    assert_eq!(stored.iter().map(|stored| stored.revision).collect::<Vec<_>>(), [second]);
}

/// A removal states its revision too, and leaves nothing behind.
pub async fn a_removed_record_is_gone_and_may_be_written_anew<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let first = committed(&*store, vec![add("a", b"first"), add("b", b"b")]).await;
    let remove = |revision| vec![Change::remove(Collection::Apps, "a", revision)];
    conflicts(&*store, remove(Generation(first.0 + 1)), "a").await;
    committed(&*store, remove(first)).await;
    assert_eq!(apps(&*store).await, [("b".to_owned(), b"b".to_vec())]);
    conflicts(&*store, remove(first), "a").await;
    committed(&*store, vec![add("a", b"anew")]).await;
    assert_eq!(apps(&*store).await.first(), Some(&("a".to_owned(), b"anew".to_vec())));
}

/// All or nothing, across collections, wherever in the commit the conflict is.
pub async fn a_commit_with_one_conflict_changes_nothing<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let first = committed(&*store, vec![add("there", b"1"), add("removed", b"1")]).await;
    for place in 0..=3 {
        let mut changes = vec![
            put(Collection::Sandboxes, "new", Expected::Absent, b"2"),
            Change::remove(Collection::Apps, "removed", first),
            put(Collection::Keys, "new", Expected::Absent, b"2"),
        ];
        changes.insert(place, add("there", b"2"));
        conflicts(&*store, changes, "there").await;
        let kept = [("removed".to_owned(), b"1".to_vec()), ("there".to_owned(), b"1".to_vec())];
        assert_eq!(apps(&*store).await, kept, "conflict at {place}");
        assert_eq!(all(&*store, Collection::Sandboxes).await, Vec::new());
        assert_eq!(all(&*store, Collection::Keys).await, Vec::new());
        assert_eq!(store.generation(), first);
    }
}

/// Changes happen in their order: the second of one record sees the first.
pub async fn the_changes_of_a_commit_see_those_before<B: Backend>(backend: &B) {
    let store = backend.open().await;
    conflicts(&*store, vec![add("a", b"1"), add("a", b"2")], "a").await;
    assert_eq!(apps(&*store).await, Vec::new());
    let first = committed(&*store, vec![add("a", b"1")]).await;
    let remove = Change::remove(Collection::Apps, "a", first);
    conflicts(&*store, vec![remove.clone(), remove.clone()], "a").await;
    committed(&*store, vec![remove, add("a", b"2")]).await;
    assert_eq!(apps(&*store).await, [("a".to_owned(), b"2".to_vec())]);
}

/// The same id in two collections is two records.
pub async fn collections_are_apart<B: Backend>(backend: &B) {
    let store = backend.open().await;
    for collection in Collection::ALL {
        let value = collection.as_str().as_bytes();
        committed(&*store, vec![put(collection, "id", Expected::Absent, value)]).await;
    }
    for collection in Collection::ALL {
        let stored = all(&*store, collection).await;
        let values: Vec<_> =
            stored.into_iter().map(|stored| (stored.id, stored.value.to_vec())).collect();
        assert_eq!(values, [("id".to_owned(), collection.as_str().as_bytes().to_vec())]);
    }
}

/// Generations count commits, not changes; a refused commit has none.
pub async fn each_commit_is_one_generation_and_that_of_its_records<B: Backend>(backend: &B) {
    let store = backend.open().await;
    for round in 1..=5_u64 {
        let (one, two) = (format!("{round}-1"), format!("{round}-2"));
        let generation = committed(&*store, vec![add(&one, b""), add(&two, b"")]).await;
        assert_eq!(generation, Generation(round));
        assert_eq!(store.generation(), generation);
        conflicts(&*store, vec![add(&one, b"")], &one).await;
        assert_eq!(store.generation(), generation);
    }
    for stored in all(&*store, Collection::Apps).await {
        assert!(stored.id.starts_with(&format!("{}-", stored.revision)), "{stored:?}");
    }
}

/// An error of the receiver is the answer, and nothing more is handed to it.
pub async fn loading_stops_at_the_first_refusal<B: Backend>(backend: &B) {
    let store = backend.open().await;
    committed(&*store, vec![add("a", b""), add("b", b""), add("c", b"")]).await;
    let mut seen = Vec::new();
    let mut receive = |stored: Stored| {
        seen.push(stored.id.clone());
        if stored.id == "b" {
            let collection = Collection::Apps;
            return Err(StoreError::Damaged { collection, id: stored.id, cause: "b".into() });
        }
        Ok(())
    };
    let loaded = store.load(Collection::Apps, &mut receive).await;
    assert!(matches!(loaded, Err(StoreError::Damaged { id, .. }) if id == "b"));
    assert_eq!(seen, ["a", "b"]);
}

/// Records, removals, revisions and the generation survive.
pub async fn what_was_acknowledged_is_there_after_reopening<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let first = committed(&*store, vec![add("kept", b"1"), add("removed", b"1")]).await;
    let removal = Change::remove(Collection::Apps, "removed", first);
    let second = committed(&*store, vec![removal, add("later", b"2")]).await;
    let before = all(&*store, Collection::Apps).await;
    backend.close(store).await;

    let store = backend.open().await;
    assert_eq!(store.generation(), second);
    assert_eq!(all(&*store, Collection::Apps).await, before);
    assert_eq!(before.len(), 2);
    conflicts(&*store, vec![add("kept", b"3")], "kept").await;
    let third = vec![put(Collection::Apps, "kept", Expected::Revision(first), b"3")];
    assert_eq!(committed(&*store, third).await, Generation(second.0 + 1));
}
