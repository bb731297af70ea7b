//! The port's suite on sled, and what only this backend promises.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use async_trait::async_trait;
use moneyer_authority::store::{
    Change, Collection, Expected, Generation, Receipt, Store as _, StoreError, Stored, Testimony,
};
use moneyer_identity::error_chain as chain;
use moneyer_testkit::store::Backend;
use tempfile::TempDir;

use crate::embedded::barrier::Barrier;
use crate::embedded::open::OpenError;
use crate::embedded::store::{SledOptions, SledStore};

/// A store in a directory that is removed afterwards.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("made/store")
    }

    fn try_open(&self) -> Result<SledStore, OpenError> {
        SledStore::open(&self.path(), &SledOptions::default())
    }

    fn accepting(&self, generation: u64) -> Result<SledStore, OpenError> {
        let accept_loss = Some(Generation(generation));
        SledStore::open(&self.path(), &SledOptions { accept_loss, ..SledOptions::default() })
    }

    /// sled without the layer around it.
    fn raw(&self) -> sled::Db {
        sled::Config::new()
            .path(self.path().join("sled"))
            .segment_size(8 * 1024 * 1024)
            .open()
            .unwrap()
    }
}

#[async_trait]
impl Backend for Place {
    type Store = SledStore;

    async fn open(&self) -> Arc<SledStore> {
        Arc::new(self.try_open().unwrap())
    }

    async fn close(&self, store: Arc<SledStore>) {
        store.close().await;
    }
}

moneyer_testkit::store_suite!(Place::new());

mod damage;
mod failure;
mod recovery;
mod rekey;
mod sealed;

fn add(id: &str) -> Vec<Change> {
    let (collection, expected) = (Collection::Apps, Expected::Absent);
    vec![Change {
        collection,
        id: id.to_owned(),
        expected,
        value: Some(id.as_bytes().to_vec().into()),
    }]
}

async fn ids(store: &SledStore) -> Result<Vec<String>, StoreError> {
    let mut ids = Vec::new();
    let mut receive = |stored: Stored| {
        ids.push(stored.id);
        Ok(())
    };
    store.load(Collection::Apps, &mut receive).await?;
    Ok(ids)
}

/// A barrier that a test holds, counts and breaks.
#[derive(Debug, Clone, Default)]
struct Gate {
    state: Arc<(Mutex<GateState>, Condvar)>,
    waits: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    waiting: bool,
    broken: bool,
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.0.lock().unwrap());
        self.state.1.notify_all();
    }

    fn until(&self, condition: impl Fn(&GateState) -> bool) {
        let state = self.state.0.lock().unwrap();
        drop(self.state.1.wait_while(state, |state| !condition(state)).unwrap());
    }

    fn waits(&self) -> usize {
        self.waits.load(Ordering::SeqCst)
    }

    fn open_store(&self, place: &Place) -> SledStore {
        let gate = self.clone();
        SledStore::open_with(&place.path(), &SledOptions::default(), move |_: &Path| {
            Ok(gate.clone())
        })
        .unwrap()
    }
}

impl Barrier for Gate {
    fn wait(&mut self) -> io::Result<()> {
        self.waits.fetch_add(1, Ordering::SeqCst);
        self.change(|state| state.waiting = true);
        self.until(|state| !state.shut);
        self.change(|state| state.waiting = false);
        if self.state.0.lock().unwrap().broken {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_share_a_barrier() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = Arc::new(gate.open_store(&place));
    gate.change(|state| state.shut = true);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(add(&format!("{number}"))).await });
        if number == 0 {
            gate.until(|state| state.waiting);
        }
    }
    while store.queued() < 999 {
        tokio::task::yield_now().await;
    }
    gate.change(|state| state.shut = false);
    for outcome in tasks.join_all().await {
        outcome.unwrap();
    }
    // The first alone, then 999 in groups of at most 512.
    assert_eq!(gate.waits(), 3);
    assert_eq!(store.generation(), Generation(1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_before_the_barrier() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = Arc::new(gate.open_store(&place));
    gate.change(|state| state.shut = true);
    let committing = Arc::clone(&store);
    let mut commit = tokio::spawn(async move { committing.commit(add("a")).await });
    gate.until(|state| state.waiting);
    tokio::select! {
        biased;
        outcome = &mut commit => panic!("acknowledged too early: {outcome:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(store.generation(), Generation(0));
    assert!(!commit.is_finished());
    gate.change(|state| state.shut = false);
    assert_eq!(commit.await.unwrap().unwrap(), Generation(1));
    assert_eq!(store.generation(), Generation(1));
}

#[tokio::test]
async fn refused_commits_need_no_barrier() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = gate.open_store(&place);
    store.commit(add("a")).await.unwrap();
    store.commit(add("a")).await.unwrap_err();
    assert_eq!(gate.waits(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_barrier_nothing_is_acknowledged() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = Arc::new(gate.open_store(&place));
    store.commit(add("before")).await.unwrap();
    gate.change(|state| (state.shut, state.broken) = (true, true));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(add(&format!("{number}"))).await });
        if number == 0 {
            gate.until(|state| state.waiting);
        }
    }
    while store.queued() < 99 {
        tokio::task::yield_now().await;
    }
    gate.change(|state| state.shut = false);
    for outcome in tasks.join_all().await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(chain(&error).contains("could not be synced to disk: Input/output error"));
    }
    gate.change(|state| state.broken = false);
    store.commit(add("after")).await.unwrap_err();
    assert!(chain(&store.health().unwrap_err()).contains("could not be synced to disk"));
    // Neither for those that waited nor afterwards was the disk asked again.
    assert_eq!(gate.waits(), 2);
    assert_eq!(store.generation(), Generation(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_answers_what_waits_and_refuses_what_comes() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = Arc::new(gate.open_store(&place));
    gate.change(|state| state.shut = true);
    let committing = Arc::clone(&store);
    let commit = tokio::spawn(async move { committing.commit(add("a")).await });
    gate.until(|state| state.waiting);
    let closing = Arc::clone(&store);
    let close = tokio::spawn(async move { closing.close().await });
    while store.health().is_ok() {
        tokio::task::yield_now().await;
    }
    gate.change(|state| state.shut = false);
    assert_eq!(commit.await.unwrap().unwrap(), Generation(1));
    close.await.unwrap();
    let error = store.commit(add("b")).await.unwrap_err();
    assert_eq!(chain(&error), "the store is unavailable: the store is closed");
    store.close().await;
    assert_eq!(ids(&place.try_open().unwrap()).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_its_commit_back() {
    let place = Place::new();
    let store = place.try_open().unwrap();
    {
        let commit = store.commit(add("a"));
        tokio::pin!(commit);
        // Polled once, it is in the queue.
        tokio::select! { biased; _ = &mut commit => {}, () = std::future::ready(()) => {} }
    }
    store.commit(add("b")).await.unwrap();
    assert_eq!(ids(&store).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn many_blocks_come_whole_and_a_reader_left_early_lets_go() {
    let place = Place::new();
    let store = place.try_open().unwrap();
    let expected: Vec<String> = (0..10_000).map(|number| format!("{number:05}")).collect();
    store.commit(expected.iter().flat_map(|id| add(id)).collect()).await.unwrap();
    assert_eq!(ids(&store).await.unwrap(), expected);

    let mut seen = 0;
    let mut receive = |_: Stored| {
        seen += 1;
        Err(StoreError::Encode("enough".into()))
    };
    store.load(Collection::Apps, &mut receive).await.unwrap_err();
    assert_eq!(seen, 1);
    store.close().await;
    assert_eq!(ids(&place.try_open().unwrap()).await.unwrap(), expected);
}

#[tokio::test]
async fn a_second_user_is_refused_by_number_until_the_first_is_gone() {
    let place = Place::new();
    let store = place.try_open().unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    let expected = format!("another process (pid {}) uses this store; stop it", std::process::id());
    assert!(error.to_string().starts_with(&expected), "{error}");
    store.close().await;
    place.try_open().unwrap();
}

#[tokio::test]
async fn can_be_opened_again_as_soon_as_it_is_closed() {
    let place = Place::new();
    for round in 0..20 {
        let store = place.try_open().unwrap();
        assert_eq!(store.generation(), Generation(round));
        store.commit(add(&format!("{round}"))).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn everything_in_the_directory_is_private() {
    let place = Place::new();
    for _ in 0..2 {
        let store = place.try_open().unwrap();
        store.commit(vec![]).await.unwrap();
        let mut directories = vec![place.directory.path().join("made")];
        let mut files = 0;
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let (path, found) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
                let wanted = if found.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(found.permissions().mode() & 0o777, wanted, "{}", path.display());
                if found.is_dir() { directories.push(path) } else { files += 1 }
            }
        }
        assert!(files >= 3, "the lock, the log and sled's settings");
        store.close().await;
        fs::set_permissions(place.path().join("sled/db"), fs::Permissions::from_mode(0o644))
            .unwrap();
    }
}

#[test]
fn a_directory_open_to_others_is_refused_with_the_remedy() {
    for mode in [0o750, 0o701, 0o770, 0o2710] {
        let place = Place::new();
        fs::create_dir_all(place.path()).unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = place.try_open().unwrap_err().to_string();
        assert!(error.ends_with(&format!("run: chmod 700 {}", place.path().display())), "{error}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing was written");
    }
}

#[test]
fn a_file_in_the_way_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), "").unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(&error, OpenError::Io { path, .. } if *path == place.path()), "{error:?}");
}

#[tokio::test]
async fn what_sled_cannot_open_is_an_error_and_not_a_panic() {
    let place = Place::new();
    let store = place.try_open().unwrap();
    store.commit(add("a")).await.unwrap();
    store.close().await;
    fs::write(place.path().join("sled/conf"), "segment_size: none\nversion: x.y\n0000").unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_snapshot_that_sled_had_not_finished_does_not_stop_it() {
    let place = Place::new();
    for id in ["a", "b"] {
        let store = place.try_open().unwrap();
        store.commit(add(id)).await.unwrap();
        store.close().await;
    }
    let unfinished = place.path().join("sled/snap.00000000FFFFFFFF.generating");
    fs::write(&unfinished, "unfinished").unwrap();
    assert_eq!(ids(&place.try_open().unwrap()).await.unwrap(), ["a", "b"]);
    assert!(!unfinished.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_records_stay_in_the_log() {
    let place = Place::new();
    moneyer_testkit::store::many_of_the_largest_values_come_back(&place).await;
    // sled would write a file here for a page too large for its log, and never sync it.
    assert_eq!(fs::read_dir(place.path().join("sled/blobs")).unwrap().count(), 0);
}
