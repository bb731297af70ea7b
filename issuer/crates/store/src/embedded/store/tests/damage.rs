//! Threats, section 3 I, and measured fact M3: what was acknowledged is there, or the store is not
//! opened and says what is missing. Nothing is ever silently less.

use std::collections::BTreeMap;

use super::*;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below a directory.
fn files(directory: &Path) -> Files {
    let mut found = Files::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Puts a directory back to what it was.
fn put_back(directory: &Path, wanted: &Files) {
    for path in files(directory).keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in wanted {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn put(collection: Collection, id: &str) -> Change {
    let value = Some(format!("value of {id}").into_bytes().into());
    Change { collection, id: id.to_owned(), expected: Expected::Absent, value }
}

/// A store with a key and some apps, written in several groups.
async fn written(place: &Place) {
    let store = place.try_open().unwrap();
    store.commit(vec![put(Collection::Keys, "key-1")]).await.unwrap();
    for id in ["a", "b", "c", "d"] {
        store.commit(add(id)).await.unwrap();
    }
    let b = Change::remove(Collection::Apps, "b", Generation(3));
    store.commit(vec![b]).await.unwrap();
    store.close().await;
}

/// Everything that was acknowledged is there.
async fn is_whole(store: &SledStore) -> bool {
    store.generation() >= Generation(6) && ids(store).await.unwrap() == ["a", "c", "d"]
}

/// Opens a damaged store: whole, or refused with a text that names something.
async fn whole_or_refused(place: &Place, case: &str) -> bool {
    match place.try_open() {
        Ok(store) => {
            let whole = is_whole(&store).await;
            store.close().await;
            assert!(whole, "{case}: silently less");
            true
        }
        Err(error) => {
            assert!(!matches!(error, OpenError::Locked { .. }), "{case}: {error}");
            assert!(chain(&error).contains(place.path().to_str().unwrap()), "{case}: {error}");
            false
        }
    }
}

#[tokio::test]
async fn no_flipped_bit_of_any_file_takes_anything_silently() {
    let place = Place::new();
    written(&place).await;
    let intact = files(&place.path());
    assert!(whole_or_refused(&place, "intact").await);
    let mut refused = 0;
    for (path, bytes) in &intact {
        // Every byte of small files; of sled's log, which is mostly room, what is not.
        let places: Vec<_> = (0..bytes.len())
            .filter(|at| bytes.len() < 4096 || bytes[*at] != 0)
            .step_by(bytes.len().div_ceil(120).max(1))
            .collect();
        for at in places {
            put_back(&place.path(), &intact);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(path, flipped).unwrap();
            let case = format!("{} byte {at}", path.display());
            refused += usize::from(!whole_or_refused(&place, &case).await);
        }
    }
    assert!(refused > 100, "only {refused} were refused: the damage does not reach the store");
}

#[tokio::test]
async fn no_cut_and_no_missing_file_takes_anything_silently() {
    let place = Place::new();
    written(&place).await;
    let intact = files(&place.path());
    for (path, bytes) in &intact {
        let lengths = (0..bytes.len()).step_by(bytes.len().div_ceil(12).max(1));
        for length in lengths {
            put_back(&place.path(), &intact);
            fs::write(path, &bytes[..length]).unwrap();
            whole_or_refused(&place, &format!("{} cut to {length}", path.display())).await;
        }
        put_back(&place.path(), &intact);
        fs::remove_file(path).unwrap();
        whole_or_refused(&place, &format!("{} removed", path.display())).await;
    }
}

#[tokio::test]
async fn the_missing_records_are_named() {
    let place = Place::new();
    written(&place).await;
    fs::remove_file(place.path().join("sled/db")).unwrap();
    let error = place.try_open().unwrap_err();
    let text = error.to_string();
    for named in ["keys/key-1 is", "apps/a is missing", "apps/c is missing", "apps/d is missing"] {
        assert!(text.contains(named), "{named}: {text}");
    }
    assert!(text.contains("`moneyer serve --accept-loss 0`"), "{text}");
    assert!(!text.contains("apps/b"), "it was removed: {text}");
}

#[tokio::test]
async fn an_older_sled_or_catalogue_is_noticed() {
    let place = Place::new();
    written(&place).await;
    let last_week = files(&place.path());
    let store = place.try_open().unwrap();
    for id in ["e", "f", "g"] {
        store.commit(add(id)).await.unwrap();
    }
    store.close().await;
    let today = files(&place.path());
    let of_sled = |path: &Path| path.starts_with(place.path().join("sled"));
    let mixed = |sleds: &Files, others: &Files| -> Files {
        let from = |files: &Files, sled: bool| -> Files {
            let chosen = files.iter().filter(|(path, _)| of_sled(path) == sled);
            chosen.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
        };
        from(sleds, true).into_iter().chain(from(others, false)).collect()
    };
    put_back(&place.path(), &mixed(&last_week, &today));
    let text = place.try_open().unwrap_err().to_string();
    assert!(text.contains("generation 9 was acknowledged, and only 6 is there"), "{text}");
    assert!(text.contains("apps/e is missing; apps/f is missing; apps/g is missing"), "{text}");
    put_back(&place.path(), &mixed(&today, &last_week));
    let text = place.try_open().unwrap_err().to_string();
    assert!(text.contains("CATALOGUE ends at generation 6, the records are at 9"), "{text}");
    put_back(&place.path(), &today);
    place.try_open().unwrap().close().await;
}

#[tokio::test]
async fn records_that_somebody_changed_are_named() {
    let place = Place::new();
    written(&place).await;
    let (key_of_a, key_of_c) = (b"\x03a", b"\x03c");
    {
        let db = place.raw();
        let (a, c) = (db.get(key_of_a).unwrap().unwrap(), db.get(key_of_c).unwrap().unwrap());
        db.insert(key_of_a, c).unwrap();
        db.insert(key_of_c, a).unwrap();
        db.flush().unwrap();
    }
    let text = place.try_open().unwrap_err().to_string();
    assert!(text.contains("apps/a is damaged") && text.contains("apps/c is damaged"), "{text}");
}

#[tokio::test]
async fn a_loss_is_accepted_by_the_generation_it_leaves() {
    let place = Place::new();
    written(&place).await;
    let before = place.try_open().unwrap();
    let incarnation = before.incarnation();
    assert!(!before.loss_accepted());
    before.close().await;
    {
        let db = place.raw();
        db.remove(b"\x03a").unwrap();
        db.remove(b"\x01key-1").unwrap();
        db.flush().unwrap();
    }
    let refused = place.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::Loss { generation: Generation(6), .. }), "{refused:?}");
    let other = place.accepting(5).unwrap_err();
    assert!(matches!(other, OpenError::OtherLoss { .. }), "{other:?}");
    let store = place.accepting(6).unwrap();
    assert!(store.loss_accepted());
    assert_ne!(store.incarnation(), incarnation, "what others saw of the one before binds it not");
    assert_eq!(ids(&store).await.unwrap(), ["c", "d"]);
    let mut keys = Vec::new();
    let mut receive = |stored: Stored| {
        keys.push(stored.id);
        Ok(())
    };
    store.load(Collection::Keys, &mut receive).await.unwrap();
    assert_eq!(keys, ["key-1"], "it was in a file of its own");
    store.commit(add("e")).await.unwrap();
    store.close().await;
    let store = place.try_open().unwrap();
    assert!(!store.loss_accepted());
    assert_eq!(ids(&store).await.unwrap(), ["c", "d", "e"]);
}

#[tokio::test]
async fn a_copy_is_restored_whole_as_another_incarnation_and_never_over_a_store() {
    let place = Place::new();
    written(&place).await;
    let kept = place.path().join("snapshots");
    let copy = fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    let options = SledOptions::default();
    let over = SledStore::restore(&copy, &place.path(), &options).unwrap_err();
    assert!(over.to_string().contains("move it aside first"), "{over}");
    let elsewhere = Place::new();
    let copied = SledStore::restore(&copy, &elsewhere.path(), &options).unwrap();
    assert_eq!((copied.generation, copied.records), (Generation(1), 1));
    assert_eq!(SledStore::check_copy(&copy, None).unwrap(), copied);
    let (one, other) = (place.try_open().unwrap(), elsewhere.try_open().unwrap());
    assert_ne!(one.incarnation(), other.incarnation());
    assert_eq!(other.generation(), Generation(1));
    let whole = fs::read(&copy).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&copy, flipped).unwrap();
        SledStore::check_copy(&copy, None).unwrap_err();
        fs::write(&copy, &whole[..at]).unwrap();
        SledStore::check_copy(&copy, None).unwrap_err();
    }
}

// Fault F6: the whole directory of last week is whole in itself. Who kept a receipt knows better.
#[tokio::test]
async fn a_receipt_tells_of_a_rollback_and_cannot_be_invented() {
    let place = Place::new();
    written(&place).await;
    let last_week = files(&place.path());
    let store = place.try_open().unwrap();
    store.commit(add("e")).await.unwrap();
    let receipt = store.receipt();
    assert_eq!(receipt.generation, Generation(7));
    assert_eq!(store.hear(&receipt), Testimony::Known);
    store.close().await;
    put_back(&place.path(), &last_week);
    let store = place.try_open().unwrap();
    assert_eq!(store.hear(&receipt), Testimony::RolledBack(Generation(7)));
    let invented = Receipt { generation: Generation(u64::MAX), ..receipt.clone() };
    assert_eq!(store.hear(&invented), Testimony::Forged);
    let mut tag = receipt.tag.clone();
    tag[0] ^= 1;
    assert_eq!(store.hear(&Receipt { tag, ..receipt.clone() }), Testimony::Forged);
    assert_eq!(store.hear(&Receipt::default()), Testimony::OtherLife);
    store.close().await;
    let store = place.accepting(6).unwrap();
    assert_eq!(store.hear(&receipt), Testimony::OtherLife, "it binds this life not");
    assert!(store.loss_accepted());
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_not_touched() {
    let place = Place::new();
    written(&place).await;
    let identity = place.path().join("IDENTITY");
    let mut bytes = fs::read(&identity).unwrap();
    for newer in [b'2', b'9', b'A'] {
        bytes[7] = newer;
        fs::write(&identity, &bytes).unwrap();
        let before = files(&place.path());
        let error = place.try_open().unwrap_err();
        assert!(matches!(error, OpenError::Newer { .. }), "{error}");
        assert!(error.to_string().contains(&format!("has format {}", char::from(newer))));
        assert!(files(&place.path()) == before, "a file was changed");
    }
    bytes[7] = b'0';
    fs::write(&identity, &bytes).unwrap();
    assert!(matches!(place.try_open(), Err(OpenError::File { .. })), "no version wrote that");
    bytes[7] = b'1';
    fs::write(&identity, &bytes).unwrap();
    assert!(is_whole(&place.try_open().unwrap()).await);
}
