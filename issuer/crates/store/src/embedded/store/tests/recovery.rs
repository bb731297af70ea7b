//! The recovery copy beside the store and in its backups (fault F30).

use super::sealed::{all_keys, key, open, sealed_with};
use super::*;
use crate::embedded::recovery::{RecoveryError, RecoverySource};
use crate::record::Sealing;
use crate::seal::{KeyEncryptionKey, MAXIMUM_RECOVERY_BYTES, RecoveryCopy, RecoveryRecipient};

/// Turns every bit, so that what is on disk is not what was given, and breaks when told.
#[derive(Debug, Default)]
struct FakeRecipient {
    bytes_more: usize,
    broken: bool,
}

fn turned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

impl RecoveryRecipient for FakeRecipient {
    fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, moneyer_authority::store::Cause> {
        if self.broken {
            return Err("the recipient is broken".into());
        }
        Ok(turned(&[plain, &vec![b'\n'; self.bytes_more]].concat()))
    }
}

fn to(recipient: FakeRecipient, sealing: Sealing) -> Sealing {
    Sealing { recovery: Some(Arc::new(recipient)), ..sealing }
}

/// A store with a key, its recovery copy and a backup.
async fn made(place: &Place, byte: u8) -> PathBuf {
    let store = open(place, Some(to(FakeRecipient::default(), sealed_with(byte, &[])))).unwrap();
    store.commit(vec![key("key-1")]).await.unwrap();
    let backup = place.directory.path().join("backup");
    store.backup(&backup).await.unwrap();
    store.close().await;
    backup
}

fn recovered(source: &RecoverySource) -> RecoveryCopy {
    RecoveryCopy::decode(&turned(&source.read().unwrap())).unwrap()
}

fn verify(source: &RecoverySource, copy: RecoveryCopy) -> Result<u64, RecoveryError> {
    source.verify(&copy.cluster, &Arc::new(copy.seals))
}

#[tokio::test]
async fn the_copy_beside_the_store_and_in_its_backup_open_it() {
    let place = Place::new();
    let backup = made(&place, 7).await;
    let path = place.path().join("RECOVERY.age");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for source in [RecoverySource::Store(place.path()), RecoverySource::Backup(backup.clone())] {
        let copy = recovered(&source);
        assert_eq!(copy.seals.current_id(), sealed_with(7, &[]).seals.current_id());
        assert_eq!(copy.cluster, "id.example.com");
        assert_eq!(verify(&source, copy).unwrap(), 1, "{source:?}");
    }
    // A restored store has one too.
    let elsewhere = Place::new();
    let sealing = Some(to(FakeRecipient::default(), sealed_with(7, &[])));
    let options = SledOptions { sealing, ..SledOptions::default() };
    SledStore::restore(&backup, &elsewhere.path(), &options).unwrap();
    let source = RecoverySource::Store(elsewhere.path());
    assert_eq!(verify(&source, recovered(&source)).unwrap(), 1);
}

#[tokio::test]
async fn a_copy_of_another_store_and_a_changed_store_are_noticed() {
    let (one, other) = (Place::new(), Place::new());
    let backups = [made(&one, 7).await, made(&other, 9).await];
    fs::copy(other.path().join("RECOVERY.age"), one.path().join("RECOVERY.age")).unwrap();
    for source in [RecoverySource::Store(one.path()), RecoverySource::Backup(backups[0].clone())] {
        let wrong = recovered(&RecoverySource::Store(other.path()));
        let refused = verify(&source, wrong).unwrap_err();
        assert!(matches!(refused, RecoveryError::OtherKey { .. }), "{source:?} {refused:?}");
        assert!(refused.to_string().contains("the cluster id.example.com"), "{refused}");
    }
    // One private key that does not open is enough.
    let file = fs::read_dir(other.path().join("keys")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let source = RecoverySource::Store(other.path());
    let refused = verify(&source, recovered(&source)).unwrap_err();
    assert!(matches!(refused, RecoveryError::Unclear { .. }), "{refused:?}");
    fs::write(&backups[1], b"MNYSNAP2").unwrap();
    let refused = RecoverySource::Backup(backups[1].clone()).read().unwrap_err();
    assert!(matches!(refused, RecoveryError::Unclear { .. }), "{refused:?}");
}

#[tokio::test]
async fn the_copy_follows_the_key_and_holds_the_older_one_meanwhile() {
    let place = Place::new();
    made(&place, 7).await;
    let source = RecoverySource::Store(place.path());
    let store = open(&place, Some(to(FakeRecipient::default(), sealed_with(8, &[7])))).unwrap();
    let ids = |copy: &RecoveryCopy| copy.seals.keys().map(KeyEncryptionKey::id).collect::<Vec<_>>();
    let both: Vec<_> = sealed_with(8, &[7]).seals.keys().map(KeyEncryptionKey::id).collect();
    assert_eq!(ids(&recovered(&source)), both);
    // Taken away while it runs: it is there before anything is sealed under the present key.
    fs::remove_file(place.path().join("RECOVERY.age")).unwrap();
    store.rekey().await.unwrap();
    assert_eq!(ids(&recovered(&source)), both);
    store.close().await;
    open(&place, Some(to(FakeRecipient::default(), sealed_with(8, &[])))).unwrap().close().await;
    assert_eq!(ids(&recovered(&source)), both[..1]);
}

#[tokio::test]
async fn without_a_copy_nothing_is_sealed_anew_and_a_new_store_does_not_open() {
    let broken = || FakeRecipient { broken: true, ..FakeRecipient::default() };
    let place = Place::new();
    let text = chain(&open(&place, Some(to(broken(), sealed_with(7, &[])))).unwrap_err());
    assert!(text.contains("RECOVERY.age") && text.contains("recipient is broken"), "{text}");
    made(&place, 7).await;
    // The key it has a copy of: it starts. Another one: it does not.
    open(&place, Some(to(broken(), sealed_with(7, &[])))).unwrap().close().await;
    let text = chain(&open(&place, Some(to(broken(), sealed_with(8, &[7])))).unwrap_err());
    assert!(text.contains("recipient is broken"), "{text}");
    let store = open(&place, Some(to(broken(), sealed_with(7, &[])))).unwrap();
    let text = chain(&store.rekey().await.unwrap_err());
    assert!(text.contains("recipient is broken"), "{text}");
    assert!(store.health().is_ok(), "nothing was begun");
    assert_eq!(all_keys(&store).await, ["key-1"]);
}

#[tokio::test]
async fn the_longest_copy_fits_and_one_byte_more_does_not() {
    let place = Place::new();
    made(&place, 7).await;
    let source = RecoverySource::Store(place.path());
    let bytes_more = MAXIMUM_RECOVERY_BYTES - source.read().unwrap().len();
    let longer = |bytes_more| FakeRecipient { bytes_more, broken: false };
    let fits = Some(to(longer(bytes_more), sealed_with(7, &[])));
    let store = open(&place, fits).unwrap();
    let backup = place.directory.path().join("longest");
    store.backup(&backup).await.unwrap();
    store.close().await;
    let bytes = source.read().unwrap();
    assert_eq!(bytes.len(), MAXIMUM_RECOVERY_BYTES);
    assert_eq!(RecoverySource::Backup(backup).read().unwrap(), bytes);
    fs::write(place.path().join("RECOVERY.age"), [&bytes[..], b"\n"].concat()).unwrap();
    assert!(matches!(source.read(), Err(RecoveryError::TooLarge(_))));
    fs::remove_file(place.path().join("RECOVERY.age")).unwrap();
    assert!(matches!(source.read(), Err(RecoveryError::None(_))));
    let text =
        chain(&open(&place, Some(to(longer(bytes_more + 1), sealed_with(7, &[])))).unwrap_err());
    assert!(text.contains("name fewer older seal keys"), "{text}");
}

#[tokio::test]
async fn a_lost_key_names_the_way_back() {
    let place = Place::new();
    let backup = made(&place, 7).await;
    let lost = chain(&open(&place, Some(sealed_with(8, &[]))).unwrap_err());
    let needed = sealed_with(7, &[]).seals.current_id().to_string();
    assert!(lost.contains(&needed), "{lost}");
    assert!(lost.contains("beside it: `moneyer store recover --identity FILE`"), "{lost}");
    // Without a recipient an earlier copy is left where it is.
    open(&place, Some(sealed_with(7, &[]))).unwrap().close().await;
    fs::remove_file(place.path().join("RECOVERY.age")).unwrap();
    let lost = chain(&open(&place, Some(sealed_with(8, &[]))).unwrap_err());
    assert!(lost.contains("--from BACKUP"), "{lost}");
    let lost = SledStore::check_copy(&backup, Some(&sealed_with(8, &[]))).unwrap_err();
    assert!(lost.to_string().contains("store recover --identity FILE --from"), "{lost}");
}
