mod encrypted;
mod recover;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_daemon::file;
use moneyer_store::seal::{KeyEncryptionKey, Place};

use super::source::seals_from;
use super::*;
use crate::config::{SealSection, StoreSection};

const KEY: [u8; 32] = *b"\x01\n\x00 thirty-two bytes of a key..\n";

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        file::create_private_dir(&directory.0.path().join("store")).unwrap();
        directory
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        file::replace(&path, bytes, 0o600).unwrap();
        path
    }

    fn store(&self) -> StoreSection {
        StoreSection { path: self.0.path().join("store"), ..StoreSection::default() }
    }

    fn read(&self, path: &Path) -> Result<moneyer_store::seal::Seals, SealKeyError> {
        let section = SealSection { key_file: Some(path.to_owned()), ..SealSection::default() };
        seals_from(&section, &self.store(), None)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(digits).flatten().collect()
}

#[test]
fn a_key_is_read_in_each_form() {
    let directory = Directory::new();
    let expected = KeyEncryptionKey::from_bytes(KEY).unwrap().id();
    let (hex, base64) = (hex(&KEY), STANDARD.encode(KEY));
    let forms: [&[u8]; 6] = [
        &KEY,
        hex.as_bytes(),
        &format!("{}\n", hex.to_uppercase()).into_bytes(),
        &format!("{hex}\r\n").into_bytes(),
        base64.as_bytes(),
        &format!("{base64}\n").into_bytes(),
    ];
    for form in forms {
        let path = directory.write("seal.key", form);
        assert_eq!(directory.read(&path).unwrap().current_id(), expected, "{form:?}");
    }
}

// Case 171.
#[test]
fn odd_key_files_are_refused() {
    let directory = Directory::new();
    let hex = hex(&KEY);
    let odd: [&[u8]; 9] = [
        b"",
        &KEY[..31],
        &[7; 33],
        &hex.as_bytes()[..63],
        &format!("{hex}\n\n").into_bytes(),
        &format!(" {hex}").into_bytes(),
        &hex.replacen('0', "+", 1).into_bytes(),
        &format!("{hex}0").into_bytes(),
        &STANDARD.encode([1; 31]).into_bytes(),
    ];
    for bytes in odd {
        let path = directory.write("seal.key", bytes);
        let refused = directory.read(&path);
        assert!(matches!(refused, Err(SealKeyError::Form(_))), "{bytes:?} {refused:?}");
    }
    let long = directory.read(&directory.write("seal.key", &[b'0'; 129]));
    assert!(matches!(long, Err(SealKeyError::Read(_))), "{long:?}");
    for zeros in [vec![0; 32], vec![b'0'; 64]] {
        let refused = directory.read(&directory.write("seal.key", &zeros));
        assert!(matches!(refused, Err(SealKeyError::Zero { .. })), "{refused:?}");
    }
}

// Case 171: never made, since data may need the one that is lost.
#[test]
fn a_missing_key_is_told_and_not_made() {
    let directory = Directory::new();
    let path = directory.0.path().join("seal.key");
    let told = directory.read(&path).unwrap_err().to_string();
    assert!(told.contains(&format!("head -c 32 /dev/urandom > {}", path.display())), "{told}");
    assert!(!told.contains("recover"), "{told}");
    directory.write("store/RECOVERY.age", b"");
    let told = directory.read(&path).unwrap_err().to_string();
    assert!(told.contains("moneyer store recover --identity FILE"), "{told}");
    assert!(!path.exists());
}

// Case 170.
#[test]
fn a_key_that_others_reach_is_refused() {
    let directory = Directory::new();
    let path = directory.write("seal.key", &KEY);
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(directory.read(&path), Err(SealKeyError::Read(_))), "{mode:o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    directory.read(&path).unwrap();

    let link = directory.0.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(directory.read(&link), Err(SealKeyError::Read(_))));

    let inside = directory.write("store/seal.key", &KEY);
    assert!(matches!(directory.read(&inside), Err(SealKeyError::Inside { .. })));

    fs::set_permissions(directory.0.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(directory.read(&path), Err(SealKeyError::Directory(_))));
}

// Case 170. Only root can give a file away.
#[test]
fn a_key_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = Directory::new();
    let path = directory.write("seal.key", &KEY);
    std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    assert!(matches!(directory.read(&path), Err(SealKeyError::Owner { uid: 65_534, .. })));
}

#[test]
fn a_credential_is_read_from_its_directory_and_no_other() {
    let directory = Directory::new();
    directory.write("seal", &KEY);
    let credential =
        |name: &str| SealSection { credential: Some(name.to_owned()), ..SealSection::default() };
    let read = |name, from| seals_from(&credential(name), &directory.store(), from);
    let from = Some(directory.0.path());
    let expected = KeyEncryptionKey::from_bytes(KEY).unwrap().id();
    assert_eq!(read("seal", from).unwrap().current_id(), expected);
    assert!(matches!(read("seal", None), Err(SealKeyError::NoCredentials)));
    for name in ["", ".", "..", "../seal", "/etc/passwd"] {
        assert!(matches!(read(name, from), Err(SealKeyError::CredentialName(_))), "{name}");
    }
    let both = SealSection { key_file: Some("/x".into()), ..credential("seal") };
    let refused = seals_from(&both, &directory.store(), from);
    assert!(matches!(refused, Err(SealKeyError::Sources)));
}

// systemd hands a credential out with an ACL for the user, whose mask shows as 0440; Kubernetes with the pod's group.
#[test]
fn the_group_of_a_credential_may_read_it_and_nobody_may_write_it() {
    let directory = Directory::new();
    let path = directory.write("seal", &KEY);
    let section = SealSection { credential: Some("seal".into()), ..SealSection::default() };
    let read = || seals_from(&section, &directory.store(), Some(directory.0.path()));
    for (mode, taken) in [(0o400, true), (0o440, true), (0o460, false), (0o444, false)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(read().is_ok(), taken, "{mode:o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
    assert!(
        matches!(directory.read(&path), Err(SealKeyError::Read(_))),
        "a key file is its owner's"
    );
}

// F30.
#[test]
fn older_keys_open_what_they_sealed() {
    let directory = Directory::new();
    let old = directory.write("old.key", &KEY);
    let new = directory.write("seal.key", &[9; 32]);
    let place = Place { cluster: "c", record: "keys/one", generation: 1 };
    let sealed = directory.read(&old).unwrap().seal(&place, b"secret").unwrap();
    let section = SealSection {
        key_file: Some(new.clone()),
        older_key_files: vec![old],
        ..SealSection::default()
    };
    let seals = seals_from(&section, &directory.store(), None).unwrap();
    assert_eq!(*seals.open(&place, &sealed).unwrap(), b"secret");
    let same = SealSection { older_key_files: vec![new], ..section };
    let refused = seals_from(&same, &directory.store(), None);
    assert!(matches!(refused, Err(SealKeyError::Keys(_))));
}
