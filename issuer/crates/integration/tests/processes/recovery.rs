//! Fault F30: the seal key is lost, and the cluster comes back with the identity that was kept offline.
//!
//! The identity is made, and the recovery copy opened a second time, with the `age` of its authors, which
//! shares no code with the coordinator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_load::stand::Environment;
use moneyer_proto::v1::minting_client::MintingClient;

use crate::recorder::{key_set, verifies};
use crate::stand::{Stand, binary_directory, mint};

/// Runs a program of the Debian package `age`.
fn age(program: &str, arguments: &[&Path]) -> String {
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.expect("a lost key cannot be tried without age (Debian package `age`)");
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

fn moneyer(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary_directory().join("moneyer"));
    command.arg("--config").arg(directory.join("moneyer.toml")).args(arguments);
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split_once('.').unwrap().0).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// A cluster whose recovery identity lies elsewhere, as on a stick in a safe.
async fn recoverable() -> (Stand, tempfile::TempDir, PathBuf) {
    let safe = tempfile::tempdir().unwrap();
    let identity = safe.path().join("recovery.txt");
    age("age-keygen", &[Path::new("-o"), &identity]);
    let recipient = age("age-keygen", &[Path::new("-y"), &identity]);
    let name = "MONEYER__SEAL__RECOVERY_RECIPIENT".into();
    let environment: Environment = [(name, recipient.trim().into())].into_iter().collect();
    let stand = Stand::start_in(tempfile::tempdir().unwrap(), environment).await;
    (stand, safe, identity)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_seal_key_is_recovered_and_the_same_key_signs_on() {
    let (mut stand, _safe, identity) = recoverable().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let before = mint(&mut MintingClient::new(runner.connect().await.unwrap()), "web-1").await;
    let before = before.unwrap();
    let directory = stand.directory.path().to_owned();
    let (seal_key, backup) = (directory.join("seal.key"), directory.join("backup"));
    let backed_up = moneyer(&directory, &["store", "backup", backup.to_str().unwrap()]);
    assert!(backed_up.status.success(), "{backed_up:?}");
    stand.coordinator.kill().await.unwrap();
    let lost = fs::read(&seal_key).unwrap();
    fs::remove_file(&seal_key).unwrap();

    // The refusal of the daemon names the way back.
    let refused = moneyer(&directory, &["serve"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let told = stderr(&refused);
    assert!(told.contains("moneyer store recover --identity FILE"), "{told}");

    // Somebody else's identity opens nothing, and nothing is written.
    let other = directory.join("other.txt");
    age("age-keygen", &[Path::new("-o"), &other]);
    let refused = moneyer(&directory, &["store", "recover", "--identity", other.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(stderr(&refused).contains("not encrypted to any of the identities"), "{refused:?}");
    assert!(!seal_key.exists());

    let identity_path = identity.to_str().unwrap();
    let recover = ["store", "recover", "--identity", identity_path];
    let recovered = moneyer(&directory, &recover);
    assert!(recovered.status.success(), "{recovered:?}");
    stand.coordinator = stand.coordinator.restart().await.unwrap();

    let after = mint(&mut MintingClient::new(runner.connect().await.unwrap()), "web-1").await;
    let after = after.unwrap();
    assert_eq!(kid(&before), kid(&after));
    let served = key_set(stand.coordinator.public()).unwrap();
    for token in [&before, &after] {
        assert!(verifies(token, &served[&kid(token)]));
    }

    // Never over a file that is there; a backup gives the same key, and so does age by itself.
    let again = moneyer(&directory, &recover);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(stderr(&again).contains("not overwritten"), "{again:?}");
    let of_backup = directory.join("of-backup.key");
    let from = ["--from", backup.to_str().unwrap(), "--to", of_backup.to_str().unwrap()];
    let recovered = moneyer(&directory, &[&recover[..], &from[..]].concat());
    assert!(recovered.status.success(), "{recovered:?}");
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    let hex: String = lost.iter().flat_map(digits).flatten().collect();
    for file in [&seal_key, &of_backup] {
        assert_eq!(fs::read_to_string(file).unwrap(), format!("{hex}\n"), "{}", file.display());
    }
    let copy = directory.join("store/RECOVERY.age");
    let text = age("age", &[Path::new("-d"), Path::new("-i"), &identity, &copy]);
    assert!(text.starts_with("# moneyer recovery copy v1\n# cluster "), "{text}");
    assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), [hex]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_key_that_age_encrypted_opens_the_store() {
    let (mut stand, _safe, identity) = recoverable().await;
    stand.coordinator.kill().await.unwrap();
    let directory = stand.directory.path().to_owned();
    let encrypted = directory.join("seal.key.age");
    let recipient = age("age-keygen", &[Path::new("-y"), &identity]);
    let (to, key) = (Path::new(recipient.trim()), directory.join("seal.key"));
    age("age", &[Path::new("-r"), to, Path::new("-a"), Path::new("-o"), &encrypted, &key]);
    fs::remove_file(&key).unwrap();
    let file = directory.join("moneyer.toml");
    let configuration = fs::read_to_string(&file).unwrap();
    let (plain, sealed) = (
        format!("key_file = \"{}\"", key.display()),
        format!(
            "age_file = \"{}\"\nage_identity_file = \"{}\"",
            encrypted.display(),
            identity.display()
        ),
    );
    assert!(configuration.contains(&plain), "{configuration}");
    fs::write(&file, configuration.replace(&plain, &sealed)).unwrap();
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    assert!(stand.problem("store").is_none());
}
