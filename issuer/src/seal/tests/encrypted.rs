//! Keys from age files.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;

use super::*;
use crate::seal::encrypted::{AgeFileError, MAXIMUM_AGE_FILE_BYTES};
use crate::seal::identities::{IdentityFileError, MAXIMUM_IDENTITY_FILE_BYTES};

pub(super) fn text_of(identity: &Identity) -> String {
    format!("# made by a test\n\n{}\n", identity.to_string().expose_secret())
}

/// A directory with an identity in `age.txt`, and the section that names it and `seal.key.age`.
fn with_identity() -> (Directory, Identity, SealSection) {
    let (directory, identity) = (Directory::new(), Identity::generate());
    let age_identity_file = Some(directory.write("age.txt", text_of(&identity).as_bytes()));
    let age_file = Some(directory.0.path().join("seal.key.age"));
    let section = SealSection { age_file, age_identity_file, ..SealSection::default() };
    (directory, identity, section)
}

fn encrypted(identity: &Identity, plain: &[u8]) -> Vec<u8> {
    age::encrypt(&identity.to_public(), plain).unwrap()
}

fn refused(directory: &Directory, section: &SealSection) -> SealKeyError {
    seals_from(section, &directory.store(), None).unwrap_err()
}

fn age_refusal(directory: &Directory, section: &SealSection) -> AgeFileError {
    match refused(directory, section) {
        SealKeyError::Age { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_read_of_an_age_file_binary_and_armored_in_each_form() {
    let (directory, identity, section) = with_identity();
    let expected = KeyEncryptionKey::from_bytes(KEY).unwrap().id();
    for plain in [&KEY[..], format!("{}\n", hex(&KEY)).as_bytes()] {
        let armored = age::encrypt_and_armor(&identity.to_public(), plain).unwrap();
        for bytes in [encrypted(&identity, plain), armored.into_bytes()] {
            let path = directory.write("seal.key.age", &bytes);
            // Ciphertext may lie where others read it.
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            let seals = seals_from(&section, &directory.store(), None).unwrap();
            assert_eq!(seals.current_id(), expected);
        }
    }
}

#[test]
fn older_age_files_open_what_they_sealed() {
    let (directory, identity, section) = with_identity();
    directory.write("seal.key.age", &encrypted(&identity, &[9; 32]));
    let older = directory.write("old.age", &encrypted(&identity, &KEY));
    let section = SealSection { older_age_files: vec![older.clone()], ..section };
    let seals = seals_from(&section, &directory.store(), None).unwrap();
    assert!(seals.key(KeyEncryptionKey::from_bytes(KEY).unwrap().id()).is_some());
    // With a present key from elsewhere the identity still has work to do.
    let key_file = Some(directory.write("seal.key", &[8; 32]));
    let section = SealSection { key_file, age_file: None, ..section };
    seals_from(&section, &directory.store(), None).unwrap();
    let section = SealSection { age_identity_file: None, ..section };
    assert!(matches!(refused(&directory, &section), SealKeyError::NoIdentity));
}

#[test]
fn exactly_one_source_and_what_opens_it() {
    let (directory, _, section) = with_identity();
    let beside = [
        SealSection { key_file: Some("/x".into()), ..section.clone() },
        SealSection { credential: Some("seal".into()), ..section.clone() },
    ];
    for section in beside {
        assert!(matches!(refused(&directory, &section), SealKeyError::Sources), "{section:?}");
    }
    let alone = SealSection { age_identity_file: None, ..section.clone() };
    assert!(matches!(refused(&directory, &alone), SealKeyError::NoIdentity));
    let idle = SealSection { age_file: None, ..section };
    assert!(matches!(refused(&directory, &idle), SealKeyError::IdleIdentity));
}

#[test]
fn an_age_file_that_a_daemon_cannot_open_by_itself_is_refused_with_the_reason() {
    let (directory, identity, section) = with_identity();
    let passphrase = age::scrypt::Recipient::new("correct horse".to_owned().into());
    directory.write("seal.key.age", &age::encrypt(&passphrase, &KEY).unwrap());
    let told = age_refusal(&directory, &section);
    assert!(matches!(told, AgeFileError::Passphrase));
    assert!(told.to_string().contains("age -r age1"), "{told}");
    directory.write("seal.key.age", &encrypted(&Identity::generate(), &KEY));
    assert!(matches!(age_refusal(&directory, &section), AgeFileError::NotToUs));
    let whole = encrypted(&identity, &KEY);
    for length in 0..whole.len() {
        directory.write("seal.key.age", &whole[..length]);
        assert!(seals_from(&section, &directory.store(), None).is_err(), "{length}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        directory.write("seal.key.age", &bytes);
        assert!(seals_from(&section, &directory.store(), None).is_err(), "{place}");
    }
    directory.write("seal.key.age", &[&whole[..], b"\n"].concat());
    assert!(matches!(age_refusal(&directory, &section), AgeFileError::Contents(_)));
    directory.write("seal.key.age", &encrypted(&identity, &[b'0'; 129]));
    assert!(matches!(age_refusal(&directory, &section), AgeFileError::TooLarge(128)));
    directory.write("seal.key.age", &encrypted(&identity, &[b'0'; 128]));
    assert!(matches!(refused(&directory, &section), SealKeyError::Form(_)));
    directory.write("seal.key.age", &vec![0; MAXIMUM_AGE_FILE_BYTES]);
    assert!(matches!(age_refusal(&directory, &section), AgeFileError::Damaged(_)));
    directory.write("seal.key.age", &vec![0; MAXIMUM_AGE_FILE_BYTES + 1]);
    assert!(matches!(refused(&directory, &section), SealKeyError::Read(_)));
}

// Case 170.
#[test]
fn an_age_file_that_others_write_and_an_identity_that_others_reach_are_refused() {
    let (directory, identity, section) = with_identity();
    let path = directory.write("seal.key.age", &encrypted(&identity, &KEY));
    fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
    let told = refused(&directory, &section).to_string();
    assert!(told.contains("run: chmod go-w"), "{told}");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let identity_file = section.age_identity_file.clone().unwrap();
    fs::set_permissions(&identity_file, Permissions::from_mode(0o640)).unwrap();
    let told = refused(&directory, &section).to_string();
    assert!(told.contains("run: chmod 600"), "{told}");
    fs::set_permissions(&identity_file, Permissions::from_mode(0o600)).unwrap();
    seals_from(&section, &directory.store(), None).unwrap();
    if rustix::process::geteuid().is_root() {
        for file in [&path, &identity_file] {
            std::os::unix::fs::chown(file, Some(65_534), None).unwrap();
            assert!(matches!(refused(&directory, &section), SealKeyError::Owner { .. }));
            std::os::unix::fs::chown(file, Some(0), None).unwrap();
        }
    }
    let inside = Some(directory.write("store/age.txt", text_of(&identity).as_bytes()));
    let section = SealSection { age_identity_file: inside, ..section };
    assert!(matches!(refused(&directory, &section), SealKeyError::Inside { .. }));
    let link = directory.0.path().join("link");
    std::os::unix::fs::symlink(&identity_file, &link).unwrap();
    let section = SealSection { age_identity_file: Some(link), ..section };
    assert!(matches!(refused(&directory, &section), SealKeyError::Read(_)));
    fs::set_permissions(directory.0.path(), Permissions::from_mode(0o1777)).unwrap();
    let section = SealSection { age_identity_file: Some(identity_file), ..section };
    assert!(matches!(refused(&directory, &section), SealKeyError::Directory(_)));
}

#[test]
fn an_odd_file_of_identities_is_refused_and_never_repeated() {
    let (directory, identity, section) = with_identity();
    directory.write("seal.key.age", &encrypted(&identity, &KEY));
    let secret = identity.to_string().expose_secret().to_owned();
    let bare = secret.strip_prefix("AGE-SECRET-KEY-").unwrap();
    let odd = [
        (String::new(), IdentityFileError::None),
        ("# only this\n".to_owned(), IdentityFileError::None),
        ("age-encryption.org/v1\n".to_owned(), IdentityFileError::Encrypted),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned(), IdentityFileError::Encrypted),
        (format!("{secret}\nAGE-PLUGIN-YUBIKEY-1Q\n"), IdentityFileError::Plugin(2)),
        (format!("{secret}0\n"), IdentityFileError::Line(1)),
        (format!("\n{secret} {secret}\n"), IdentityFileError::Line(2)),
    ];
    for (text, expected) in odd {
        directory.write("age.txt", text.as_bytes());
        let told = refused(&directory, &section);
        assert!(!format!("{told} {told:?}").contains(bare), "{told:?}");
        let SealKeyError::Identity { source, .. } = told else { panic!("{told:?}") };
        assert_eq!(source, expected, "{text}");
    }
    let padded = |length: usize| format!("{secret}\n#{}", "x".repeat(length - secret.len() - 2));
    directory.write("age.txt", padded(MAXIMUM_IDENTITY_FILE_BYTES).as_bytes());
    seals_from(&section, &directory.store(), None).unwrap();
    directory.write("age.txt", padded(MAXIMUM_IDENTITY_FILE_BYTES + 1).as_bytes());
    assert!(matches!(refused(&directory, &section), SealKeyError::Read(_)));
    fs::remove_file(directory.0.path().join("age.txt")).unwrap();
    let told = refused(&directory, &section).to_string();
    assert!(told.contains("no file of identities"), "{told}");
    // Windows' ends of lines and one identity of several.
    let several = format!("{}\r\n{secret}\r\n", Identity::generate().to_string().expose_secret());
    directory.write("age.txt", several.as_bytes());
    seals_from(&section, &directory.store(), None).unwrap();
}
