//! Sizes at the limit and one past it.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]

use moneyer_authority::store::{Collection, Generation, MAXIMUM_RECORD_BYTES, Store, StoreError};

use super::Backend;
use super::checks::{add, all, apps, committed};
use super::memory::MAXIMUM_ID_BYTES;

fn is_too_large(outcome: &Result<Generation, StoreError>, over: &str) -> bool {
    matches!(outcome, Err(StoreError::TooLarge { id, .. }) if id == over)
}

/// 255 bytes, counted as bytes.
pub async fn the_longest_id_fits_and_one_byte_more_does_not<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let longest = format!("{}\u{e9}", "i".repeat(MAXIMUM_ID_BYTES - 2));
    assert_eq!(longest.len(), MAXIMUM_ID_BYTES);
    committed(&*store, vec![add(&longest, b"value")]).await;
    let longer = format!("i{longest}");
    assert!(is_too_large(&store.commit(vec![add(&longer, b"value")]).await, &longer));
    assert_eq!(apps(&*store).await, [(longest, b"value".to_vec())]);
}

/// [`MAXIMUM_RECORD_BYTES`].
pub async fn the_largest_value_fits_and_one_byte_more_does_not<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let largest = vec![0xa5; MAXIMUM_RECORD_BYTES];
    committed(&*store, vec![add("a", &largest)]).await;
    let larger = vec![0xa5; MAXIMUM_RECORD_BYTES + 1];
    assert!(is_too_large(&store.commit(vec![add("b", &larger)]).await, "b"));
    assert_eq!(apps(&*store).await, [("a".to_owned(), largest)]);
}

/// An id has at least one byte.
pub async fn an_empty_id_is_refused<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let outcome = store.commit(vec![add("", b"value")]).await;
    assert!(matches!(outcome, Err(StoreError::Encode(_))), "{outcome:?}");
    assert_eq!(apps(&*store).await, Vec::new());
}

/// A change that does not fit stops those beside it.
pub async fn a_refused_size_changes_nothing<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let larger = vec![0; MAXIMUM_RECORD_BYTES + 1];
    let changes = vec![add("a", b"1"), add("b", &larger), add("c", b"1")];
    assert!(is_too_large(&store.commit(changes).await, "b"));
    assert_eq!(apps(&*store).await, Vec::new());
    assert_eq!(store.generation(), Generation(0));
}

/// 64 neighbours of the largest size, in one commit and again over several, survive reopening.
pub async fn many_of_the_largest_values_come_back<B: Backend>(backend: &B) {
    let store = backend.open().await;
    let value = |number: u8| vec![number; MAXIMUM_RECORD_BYTES];
    let ids: Vec<(String, u8)> = (0..64).map(|number| (format!("{number:02}"), number)).collect();
    let (together, apart) = ids.split_at(32);
    let changes = together.iter().map(|(id, number)| add(id, &value(*number))).collect();
    committed(&*store, changes).await;
    for (id, number) in apart {
        committed(&*store, vec![add(id, &value(*number))]).await;
    }
    backend.close(store).await;
    let store = backend.open().await;
    let stored = all(&*store, Collection::Apps).await;
    assert_eq!(stored.len(), ids.len());
    for (stored, (id, number)) in stored.iter().zip(&ids) {
        assert_eq!(&stored.id, id);
        assert!(*stored.value == value(*number), "the value of {id} is another");
    }
}
