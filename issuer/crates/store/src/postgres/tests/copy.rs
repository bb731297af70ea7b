//! Moving from sled.

use tempfile::TempDir;

use super::*;
use crate::{SledOptions, SledStore};

/// A store of the embedded kind with a bit of everything.
async fn embedded(directory: &TempDir) -> SledStore {
    let options = SledOptions { sealing: Some(sealing(7, &[])), ..SledOptions::default() };
    let store = SledStore::open(&directory.path().join("store"), &options).unwrap();
    for collection in Collection::ALL {
        let changes = (0..30).map(|number| Change {
            collection,
            id: format!("{number}"),
            expected: Expected::Absent,
            value: Some(format!("{collection:?} {number}").into_bytes().into()),
        });
        store.commit(changes.collect()).await.unwrap();
    }
    store.commit(vec![Change::remove(Collection::Keys, "3", Generation(1))]).await.unwrap();
    let many = (0..3000).map(|number| add(&format!("app-{number}"))).collect::<Vec<_>>();
    store.commit(many.concat()).await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_afterwards_with_its_revision() {
    let (directory, place) = (TempDir::new().unwrap(), Place::new());
    let from = embedded(&directory).await;
    let mut options = place.options();
    options.sealing = Some(sealing(7, &[]));
    let copied = copy_to_postgres(&from, options.clone()).await.unwrap();
    let collections = u64::try_from(Collection::ALL.len()).unwrap();
    assert_eq!(copied.generation, from.generation());
    assert_eq!((copied.records, copied.secrets), (collections * 30 - 1 + 3000, 5 * 30 - 1));
    let store = PostgresStore::open(options.clone()).await.unwrap();
    assert_eq!(store.generation(), from.generation());
    for collection in Collection::ALL {
        let (mut wanted, mut there) = (Vec::new(), Vec::new());
        from.load(collection, &mut |one| {
            wanted.push(one);
            Ok(())
        })
        .await
        .unwrap();
        store
            .load(collection, &mut |one| {
                there.push(one);
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(wanted, there);
    }
    let next = store.commit(add("next")).await.unwrap();
    assert_eq!(next.0, from.generation().0 + 1);
    // What runners have seen of the one does not bind the other.
    let told = store.hear(&from.receipt());
    assert_eq!(told, Testimony::OtherLife);

    let refused = copy_to_postgres(&from, options).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty(_)), "{refused:?}");
    assert!(ids(&store).await.contains(&"next".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_cut_off_leaves_nothing_and_is_done_again() {
    let (directory, place) = (TempDir::new().unwrap(), Place::new());
    let from = embedded(&directory).await;
    let mut options = place.options();
    options.sealing = Some(sealing(7, &[]));
    // The server gives up in the middle.
    PostgresStore::open(options.clone()).await.unwrap().close().await;
    place.sql("ALTER TABLE moneyer_records ADD CONSTRAINT cut CHECK (id <> 'app-2999')");
    let refused = copy_to_postgres(&from, options.clone()).await.unwrap_err();
    assert!(matches!(refused, CopyError::Database(_)), "{refused:?}");
    assert_eq!(place.sql("SELECT count(*) FROM moneyer_records"), "0");
    place.sql("ALTER TABLE moneyer_records DROP CONSTRAINT cut");
    copy_to_postgres(&from, options).await.unwrap();
}
