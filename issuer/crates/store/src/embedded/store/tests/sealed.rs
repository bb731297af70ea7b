//! Sealed records: nothing of a key is on disk, and only its own place opens it (promise P9).

use super::*;
use crate::record::Sealing;
use crate::seal::{KeyEncryptionKey, Seals};

const CANARY: &[u8] = b"-----the private key nobody may read-----";

fn seals(byte: u8) -> Sealing {
    sealed_with(byte, &[])
}

/// Keys of these bytes over and over.
pub(super) fn sealed_with(current: u8, older: &[u8]) -> Sealing {
    let key = |byte: u8| KeyEncryptionKey::from_bytes([byte; 32]).unwrap();
    let older = older.iter().map(|byte| key(*byte)).collect();
    let seals = Arc::new(Seals::new(key(current), older).unwrap());
    Sealing { cluster: "id.example.com".to_owned(), seals, recovery: None }
}

/// A private key.
pub(super) fn key(id: &str) -> Change {
    let (collection, expected) = (Collection::Keys, Expected::Absent);
    let value = Some(CANARY.to_vec().into());
    Change { collection, id: id.to_owned(), expected, value }
}

/// The ids of the private keys, each of which is what it was.
pub(super) async fn all_keys(store: &SledStore) -> Vec<String> {
    let mut ids = Vec::new();
    let mut receive = |stored: Stored| {
        assert_eq!(*stored.value, CANARY);
        ids.push(stored.id);
        Ok(())
    };
    store.load(Collection::Keys, &mut receive).await.unwrap();
    ids
}

pub(super) fn open(place: &Place, sealing: Option<Sealing>) -> Result<SledStore, OpenError> {
    SledStore::open(&place.path(), &SledOptions { sealing, ..SledOptions::default() })
}

async fn with_a_key(place: &Place, sealing: Option<Sealing>) {
    let store = open(place, sealing).unwrap();
    store.commit(vec![key("key-1")]).await.unwrap();
    // Snapshots are made after the answer; the next answer comes after them.
    store.commit(add("a")).await.unwrap();
    store.close().await;
}

/// Whether any file below the directory holds the canary.
fn is_on_disk(directory: &Path) -> bool {
    let found = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|window| window == CANARY);
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { is_on_disk(&path) } else { found(&fs::read(&path).unwrap()) }
    })
}

#[tokio::test]
async fn no_file_holds_a_key_and_without_sealing_the_search_finds_it() {
    let (sealed, plain) = (Place::new(), Place::new());
    with_a_key(&sealed, Some(seals(7))).await;
    with_a_key(&plain, None).await;
    assert!(!is_on_disk(&sealed.path()));
    assert!(is_on_disk(&plain.path()), "the search finds nothing where there is something");
    let store = open(&sealed, Some(seals(7))).unwrap();
    assert_eq!(all_keys(&store).await, ["key-1"]);
}

#[tokio::test]
async fn another_key_and_none_do_not_open_it_and_it_keeps_its_name() {
    let place = Place::new();
    with_a_key(&place, Some(seals(7))).await;
    let text = chain(&open(&place, Some(seals(8))).unwrap_err());
    assert!(text.contains("which is not here"), "{text}");
    let text = chain(&open(&place, None).unwrap_err());
    assert!(text.contains("was made sealed; it is opened unsealed"), "{text}");
    let mut renamed = seals(7);
    "id.example.net".clone_into(&mut renamed.cluster);
    open(&place, Some(renamed)).unwrap().close().await;
    open(&place, Some(seals(7))).unwrap().close().await;
    let plain = Place::new();
    with_a_key(&plain, None).await;
    let text = chain(&open(&plain, Some(seals(7))).unwrap_err());
    assert!(text.contains("was made unsealed; it is opened sealed"), "{text}");
}

#[tokio::test]
async fn after_sealing_anew_nothing_needs_the_old_key() {
    let place = Place::new();
    with_a_key(&place, Some(seals(7))).await;
    let store = open(&place, Some(sealed_with(8, &[7]))).unwrap();
    store.rekey().await.unwrap();
    store.commit(add("after")).await.unwrap();
    store.close().await;
    let store = open(&place, Some(seals(8))).unwrap();
    assert_eq!(ids(&store).await.unwrap(), ["a", "after"]);
    let elsewhere = Place::new();
    let copy = elsewhere.directory.path().join("copy");
    let copied = store.backup(&copy).await.unwrap();
    assert_eq!((copied.generation, copied.records), (Generation(3), 3));
    let again = store.backup(&copy).await.unwrap_err();
    assert!(chain(&again).contains("exists"), "{}", chain(&again));
    store.close().await;
    let text = chain(&open(&place, Some(seals(7))).unwrap_err());
    assert!(text.contains("which is not here"), "{text}");
    for entry in fs::read_dir(place.path().join("snapshots")).unwrap() {
        SledStore::check_copy(&entry.unwrap().path(), Some(&seals(8))).unwrap();
    }
    let options = SledOptions { sealing: Some(seals(8)), ..SledOptions::default() };
    SledStore::restore(&copy, &elsewhere.path(), &options).unwrap();
    let restored = open(&elsewhere, Some(seals(8))).unwrap();
    assert_eq!(ids(&restored).await.unwrap(), ["a", "after"]);
}
