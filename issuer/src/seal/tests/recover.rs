//! Getting a lost key back.

use std::path::PathBuf;
use std::sync::Arc;

use age::x25519::Identity;
use moneyer_authority::store::{Change, Collection, Expected, Store as _};
use moneyer_store::{RecoveryError, RecoverySource, Sealing, SledOptions, SledStore};

use super::encrypted::text_of;
use super::*;
use crate::config::AgeRecipient;
use crate::seal::recover::{RecoverKeyError, configured_place, recover};
use crate::seal::{AgeFileError, Recovery};

/// A store with one private key and the recovery copy of its seal keys, the identity for it, and a backup.
struct Sealed {
    directory: Directory,
    identity: Identity,
    identity_file: PathBuf,
    backup: PathBuf,
}

impl Sealed {
    async fn new() -> Self {
        let (directory, identity) = (Directory::new(), Identity::generate());
        let identity_file = directory.write("recovery.txt", text_of(&identity).as_bytes());
        let backup = directory.0.path().join("backup");
        let sealed = Self { directory, identity, identity_file, backup };
        let store = sealed.open(&KEY, &[]);
        let (collection, expected) = (Collection::Keys, Expected::Absent);
        let value = Some(b"a private key".to_vec().into());
        let change = Change { collection, id: "one".to_owned(), expected, value };
        store.commit(vec![change]).await.unwrap();
        store.backup(&sealed.backup).await.unwrap();
        store.close().await;
        sealed
    }

    fn open(&self, key: &[u8; 32], older: &[[u8; 32]]) -> SledStore {
        let kek = |bytes: &[u8; 32]| KeyEncryptionKey::from_bytes(*bytes).unwrap();
        let recipient = AgeRecipient::try_from(self.identity.to_public().to_string()).unwrap();
        let seals = moneyer_store::seal::Seals::new(kek(key), older.iter().map(kek).collect());
        let mut options = SledOptions::default();
        options.sealing = Some(Sealing {
            cluster: "id.example.com".to_owned(),
            seals: Arc::new(seals.unwrap()),
            recovery: Some(Arc::new(Recovery::to(&recipient))),
        });
        SledStore::open(&self.directory.store().path, &options).unwrap()
    }

    fn recover(&self, from: Option<&Path>, to: &Path) -> Result<Recovered, RecoverKeyError> {
        let store = self.directory.store().path;
        let source = match from {
            Some(backup) => RecoverySource::Backup(backup.to_owned()),
            None => RecoverySource::Store(store.clone()),
        };
        recover(&source, &self.identity_file, to, &store)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.0.path().join(name)
    }
}

#[tokio::test]
async fn a_key_comes_back_from_the_store_and_from_its_backup() {
    let sealed = Sealed::new().await;
    for (name, from) in [("beside.key", None), ("backup.key", Some(&*sealed.backup))] {
        let to = sealed.path(name);
        let recovered = sealed.recover(from, &to).unwrap();
        assert_eq!((recovered.cluster.as_str(), recovered.private_keys), ("id.example.com", 1));
        assert_eq!(fs::read_to_string(&to).unwrap(), format!("{}\n", hex(&KEY)));
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        sealed.directory.read(&to).unwrap();
        let again = sealed.recover(from, &to).unwrap_err();
        assert!(matches!(again, RecoverKeyError::Exists(_)), "{again:?}");
        assert_eq!(fs::read_to_string(&to).unwrap(), format!("{}\n", hex(&KEY)));
    }
}

#[tokio::test]
async fn a_key_that_was_being_changed_comes_back_with_the_one_before() {
    let sealed = Sealed::new().await;
    sealed.open(&[9; 32], &[KEY]).close().await;
    let to = sealed.path("seal.key");
    // One file that would be overwritten is enough for none to be written.
    let taken = sealed.directory.write("seal.key.older-1", b"mine");
    assert!(
        matches!(sealed.recover(None, &to), Err(RecoverKeyError::Exists(path)) if path == taken)
    );
    assert!(!to.exists());
    fs::remove_file(&taken).unwrap();
    let recovered = sealed.recover(None, &to).unwrap();
    assert_eq!(recovered.older_key_files, [taken]);
    let section = SealSection {
        key_file: Some(recovered.key_file),
        older_key_files: recovered.older_key_files,
        ..SealSection::default()
    };
    let seals = seals_from(&section, &sealed.directory.store(), None).unwrap();
    assert_eq!(seals.keys().count(), 2);
}

#[tokio::test]
async fn nothing_is_written_for_another_identity_another_store_or_another_copy() {
    let (sealed, other) = (Sealed::new().await, Sealed::new().await);
    let to = sealed.path("seal.key");
    let copy = sealed.directory.store().path.join("RECOVERY.age");
    fs::copy(other.directory.store().path.join("RECOVERY.age"), &copy).unwrap();
    let refused = sealed.recover(None, &to).unwrap_err();
    let not_to_us = |source: &AgeFileError| matches!(source, AgeFileError::NotToUs);
    assert!(
        matches!(&refused, RecoverKeyError::Age { source, .. } if not_to_us(source)),
        "{refused:?}"
    );
    // Whoever knows the recipient can encrypt to it; the key must open the store.
    let forged = format!("# moneyer recovery copy v1\n# cluster mine\n{}\n", "01".repeat(32));
    fs::write(&copy, age::encrypt(&sealed.identity.to_public(), forged.as_bytes()).unwrap())
        .unwrap();
    let refused = sealed.recover(None, &to).unwrap_err();
    let RecoverKeyError::Copy(RecoveryError::OtherKey { cluster, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(cluster, "mine");
    fs::write(&copy, age::encrypt(&sealed.identity.to_public(), b"a letter").unwrap()).unwrap();
    let refused = sealed.recover(None, &to).unwrap_err();
    assert!(matches!(refused, RecoverKeyError::Contents { .. }), "{refused:?}");
    fs::remove_file(&copy).unwrap();
    let refused = sealed.recover(None, &to).unwrap_err();
    assert!(matches!(refused, RecoverKeyError::Copy(RecoveryError::None(_))), "{refused:?}");
    assert!(!to.exists());
}

#[tokio::test]
async fn the_recovered_key_does_not_go_into_the_store_or_where_everybody_writes() {
    let sealed = Sealed::new().await;
    let refused = sealed.recover(None, &sealed.path("store/seal.key")).unwrap_err();
    assert!(
        matches!(refused, RecoverKeyError::Refused(SealKeyError::Inside { .. })),
        "{refused:?}"
    );
    let open = sealed.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    let refused = sealed.recover(None, &open.join("seal.key")).unwrap_err();
    assert!(matches!(refused, RecoverKeyError::Refused(SealKeyError::Directory(_))), "{refused:?}");
    let refused = sealed.recover(None, &sealed.path("none/seal.key")).unwrap_err();
    assert!(matches!(refused, RecoverKeyError::Refused(SealKeyError::Read(_))), "{refused:?}");
}

#[test]
fn the_key_goes_where_the_daemon_looks_for_one() {
    let file = SealSection { key_file: Some("/k".into()), ..SealSection::default() };
    assert_eq!(configured_place(&file).unwrap(), Path::new("/k"));
    let default = configured_place(&SealSection::default()).unwrap();
    assert_eq!(default, Path::new("/etc/moneyer/seal.key"));
    for elsewhere in [
        SealSection { credential: Some("seal".into()), ..SealSection::default() },
        SealSection { age_file: Some("/a".into()), ..SealSection::default() },
    ] {
        let refused = configured_place(&elsewhere).unwrap_err().to_string();
        assert!(refused.contains("--to"), "{refused}");
    }
}
