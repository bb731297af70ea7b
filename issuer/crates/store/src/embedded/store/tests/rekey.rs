//! Sealing anew that is cut off: whatever was written by then, every key is there with the old seal key or
//! the new one, and a second attempt ends it (fault F30).

use super::sealed::{all_keys, key, open, sealed_with};
use super::*;

const KEYS: [&str; 3] = ["key-1", "key-2", "key-3"];

/// What stops sealing anew at one of its steps, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    /// The records are written, and the disk does not say that it has them.
    Barrier,
    /// This one of the files of the keys is not written; some before it are.
    SecretFile(String),
    Catalogue,
    Identity,
    /// Everything is written but the copies beside it.
    Never,
}

impl Stop {
    fn everywhere(place: &Place) -> Vec<Self> {
        let files = fs::read_dir(place.path().join("keys")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let files = names.map(Self::SecretFile);
        [Self::Barrier]
            .into_iter()
            .chain(files)
            .chain([Self::Catalogue, Self::Identity, Self::Never])
            .collect()
    }

    /// The unfinished file that cannot be made.
    fn blocked(&self) -> Option<PathBuf> {
        Some(match self {
            Self::Barrier | Self::Never => return None,
            Self::SecretFile(name) => PathBuf::from(format!("keys/{name}.new")),
            Self::Catalogue => "CATALOGUE.new".into(),
            Self::Identity => "IDENTITY.new".into(),
        })
    }
}

async fn with_keys(place: &Place) {
    let store = open(place, Some(sealed_with(7, &[]))).unwrap();
    for id in KEYS {
        store.commit(vec![key(id)]).await.unwrap();
    }
    store.commit(add("a")).await.unwrap();
    store.close().await;
}

/// Seals anew under another key, up to the stop.
async fn rekey_until(place: &Place, stop: &Stop) {
    let gate = Gate::default();
    let sealing = Some(sealed_with(8, &[7]));
    let (held, options) = (gate.clone(), SledOptions { sealing, ..SledOptions::default() });
    let barrier = move |_: &Path| Ok(held.clone());
    let store = SledStore::open_with(&place.path(), &options, barrier).unwrap();
    let blocked = stop.blocked().map(|path| place.path().join(path));
    // A directory where a file should be: nobody writes to it, not even root.
    if let Some(path) = &blocked {
        fs::create_dir(path).unwrap();
    }
    gate.change(|state| state.broken = *stop == Stop::Barrier);
    let outcome = store.rekey().await;
    assert_eq!(outcome.is_ok(), *stop == Stop::Never, "{stop:?} {outcome:?}");
    store.close().await;
    if let Some(path) = blocked {
        fs::remove_dir(path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_at_any_step_every_key_is_there_with_the_old_one_or_the_new_one() {
    let first = Place::new();
    with_keys(&first).await;
    let stops = Stop::everywhere(&first);
    assert_eq!(stops.len(), 4 + KEYS.len());
    for stop in stops {
        let place = Place::new();
        with_keys(&place).await;
        rekey_until(&place, &stop).await;
        // With one key alone it opens whole or is refused for want of the other, never with a loss.
        for alone in [7, 8] {
            match open(&place, Some(sealed_with(alone, &[]))) {
                Ok(store) => {
                    assert_eq!(all_keys(&store).await, KEYS, "{stop:?} with {alone}");
                    store.close().await;
                }
                Err(OpenError::Key { needed, .. }) => {
                    let other = sealed_with(if alone == 7 { 8 } else { 7 }, &[]);
                    assert_eq!(needed, other.seals.current_id(), "{stop:?} with {alone}");
                }
                Err(error) => panic!("{stop:?} with {alone}: {}", chain(&error)),
            }
        }
        for (current, older) in [(7, 8), (8, 7)] {
            let store = open(&place, Some(sealed_with(current, &[older]))).unwrap();
            assert_eq!(all_keys(&store).await, KEYS, "{stop:?}");
            assert_eq!(ids(&store).await.unwrap(), ["a"], "{stop:?}");
            store.close().await;
        }
        let store = open(&place, Some(sealed_with(8, &[7]))).unwrap();
        store.rekey().await.unwrap();
        store.close().await;
        let store = open(&place, Some(sealed_with(8, &[]))).unwrap();
        assert_eq!(all_keys(&store).await, KEYS, "{stop:?}");
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stopped_it_gone_the_running_store_goes_on_by_itself() {
    let place = Place::new();
    with_keys(&place).await;
    let store = open(&place, Some(sealed_with(8, &[7]))).unwrap();
    fs::create_dir(place.path().join("CATALOGUE.new")).unwrap();
    store.rekey().await.unwrap_err();
    assert!(store.health().is_err());
    fs::remove_dir(place.path().join("CATALOGUE.new")).unwrap();
    failure::until_it_writes(&store).await;
    assert_eq!(all_keys(&store).await, KEYS);
    store.rekey().await.unwrap();
    store.close().await;
    open(&place, Some(sealed_with(8, &[]))).unwrap().close().await;
}
