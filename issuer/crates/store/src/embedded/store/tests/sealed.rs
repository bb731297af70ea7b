//! Sealed records: nothing of a key is on disk, and only its own place opens it (promise P9).

use super::*;
use crate::embedded::identity::Sealing;
use crate::seal::{KeyEncryptionKey, Seals};

const CANARY: &[u8] = b"-----the private key nobody may read-----";

fn seals(byte: u8) -> Option<Sealing> {
    let key = KeyEncryptionKey::from_bytes([byte; 32]).unwrap();
    let seals = Arc::new(Seals::new(key, Vec::new()).unwrap());
    Some(Sealing { cluster: "id.example.com".to_owned(), seals })
}

fn open(place: &Place, sealing: Option<Sealing>) -> Result<SledStore, OpenError> {
    SledStore::open(&place.path(), &SledOptions { sealing, ..SledOptions::default() })
}

async fn with_a_key(place: &Place, sealing: Option<Sealing>) {
    let store = open(place, sealing).unwrap();
    let (collection, expected) = (Collection::Keys, Expected::Absent);
    let value = Some(CANARY.to_vec());
    let key = Change { collection, id: "key-1".to_owned(), expected, value };
    store.commit(vec![key]).await.unwrap();
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
    with_a_key(&sealed, seals(7)).await;
    with_a_key(&plain, None).await;
    assert!(!is_on_disk(&sealed.path()));
    assert!(is_on_disk(&plain.path()), "the search finds nothing where there is something");
    let store = open(&sealed, seals(7)).unwrap();
    let mut found = Vec::new();
    let mut receive = |stored: Stored| {
        found.push(stored.value);
        Ok(())
    };
    store.load(Collection::Keys, &mut receive).await.unwrap();
    assert_eq!(found, [CANARY]);
}

#[tokio::test]
async fn another_key_none_and_another_cluster_do_not_open_it() {
    let place = Place::new();
    with_a_key(&place, seals(7)).await;
    let text = chain(&open(&place, seals(8)).unwrap_err());
    assert!(text.contains("IDENTITY") && text.contains("which is not here"), "{text}");
    let text = chain(&open(&place, None).unwrap_err());
    assert!(text.contains("was made sealed; it is opened unsealed"), "{text}");
    let mut elsewhere = seals(7).unwrap();
    "id.example.net".clone_into(&mut elsewhere.cluster);
    let text = chain(&open(&place, Some(elsewhere)).unwrap_err());
    assert!(text.contains("comes from another cluster"), "{text}");
    open(&place, seals(7)).unwrap().close().await;
    let plain = Place::new();
    with_a_key(&plain, None).await;
    let text = chain(&open(&plain, seals(7)).unwrap_err());
    assert!(text.contains("was made unsealed; it is opened sealed"), "{text}");
}
