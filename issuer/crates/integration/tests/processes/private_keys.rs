//! Promise P9: no file a coordinator writes holds a private key, and neither does a backup or a log. A
//! control cluster that seals nothing shows that the search finds one.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_load::stand::Environment;
use moneyer_proto::v1::minting_client::MintingClient;

use crate::stand::{Stand, mint, moneyer};

/// How an RSA private key goes on in PKCS#8, RFC 5208, after its first length: version 0, the algorithm
/// `rsaEncryption`, and an octet string.
pub(crate) const RSA_PKCS8: [u8; 19] = [
    0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
    0x05, 0x00, 0x04,
];

/// How one begins inside, in PKCS#1: version 0 and a modulus of 2048 bits.
pub(crate) const RSA_PKCS1: [u8; 8] = [0x02, 0x01, 0x00, 0x02, 0x82, 0x01, 0x01, 0x00];

/// Bytes in base64 at each of the three places they can have in a group, without the characters at either
/// end that other bytes have a part in.
pub(crate) fn encoded(bytes: &[u8]) -> Vec<Vec<u8>> {
    let at = |shift| {
        let text = STANDARD.encode([&vec![0; shift], bytes].concat());
        text.as_bytes()[4..text.len() - 4].to_vec()
    };
    (0..3).map(at).collect()
}

/// What a private key looks like, raw, in base64 and in PEM.
fn needles() -> Vec<Vec<u8>> {
    let mut needles = vec![RSA_PKCS8.to_vec(), RSA_PKCS1.to_vec(), b"PRIVATE KEY-----".to_vec()];
    needles.extend(encoded(&RSA_PKCS8));
    needles
}

/// The files below `directory` that look as if they held a private key.
fn with_private_key(directory: &Path, needles: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with_private_key(&path, needles));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let holds = |needle: &Vec<u8>| bytes.windows(needle.len()).any(|part| part == needle);
            if needles.iter().any(holds) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// What a coordinator leaves behind that has signed, rotated, failed a call and been backed up.
async fn left_behind(settings: &[(&str, &str)]) -> Stand {
    let mut everything = vec![("MONEYER__TELEMETRY__FILTER", "trace")];
    everything.extend(settings);
    let environment: Environment =
        everything.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let mut stand = Stand::start_in(tempfile::tempdir().unwrap(), environment.clone()).await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    mint(&mut client, "web-1").await.unwrap();
    mint(&mut client, "no-such-sandbox").await.unwrap_err();
    let backup = stand.directory.path().join("backup");
    for command in [&["key", "rotate"][..], &["store", "backup", backup.to_str().unwrap()]] {
        let mut run = moneyer(stand.directory.path());
        let done = run.args(command).envs(&environment).output().unwrap();
        assert!(done.status.success(), "{command:?}: {done:?}");
        fs::write(stand.directory.path().join(format!("{}.out", command[0])), done.stdout).unwrap();
    }
    assert!(backup.exists());
    stand.coordinator.kill().await.unwrap();
    stand
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_backup_or_log_holds_one_and_without_sealing_the_search_finds_it() {
    let needles = needles();
    let sealed = left_behind(&[]).await;
    let found = with_private_key(sealed.directory.path(), &needles);
    assert!(found.is_empty(), "P9: {found:?}");

    let plain = left_behind(&[("MONEYER__SEAL", "{ insecure_plain = true }")]).await;
    let store = with_private_key(&plain.directory.path().join("store"), &needles);
    assert!(!store.is_empty(), "the search finds nothing where there is something");
}
