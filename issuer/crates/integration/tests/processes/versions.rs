//! Fault F29: daemons and files of other versions than this one.
//!
//! There is one version so far, so others are made up from what one may differ in: fields that are not
//! known yet, on the wire and in files, and a store with a later format. What this version writes, those to
//! come must read: `fixtures/store.tar.gz` was written when format 1 was frozen (`fixtures/make_store.sh`),
//! and is not written again while that is the format.

use std::fs;
use std::path::Path;
use std::process::Command;

use moneyer_load::stand::Environment;
use moneyer_proto::v1::minting_client::MintingClient;

use crate::coordinator_away::ask_until;
use crate::host::{host, sandbox};
use crate::poisoned::call;
use crate::stand::{Stand, binary_directory, mint};

/// What `EX_DATAERR` is.
const REFUSED: i32 = 65;

/// Field 1000 with three bytes in it.
const UNKNOWN: [u8; 6] = [0xc2, 0x3e, 3, b'n', b'e', b'w'];

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_runner_is_served_and_a_newer_membership_read() {
    let stand = Stand::start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-9", "runner-1").await;
    let channel = runner.connect().await.unwrap();
    let mut request = UNKNOWN.to_vec();
    request.extend([0x0a, 5]);
    request.extend(b"web-9");
    request.extend(UNKNOWN);
    let answer = call(&channel, "/moneyer.v1.Minting/MintToken", request).await.unwrap();
    assert_eq!(answer[0], 0x0a, "the first field is the token");

    let mut proxy = host(&stand, stand.coordinator.grpc(), 1).await;
    proxy.stop_serving().await.unwrap();
    let state = stand.directory.path().join("runner");
    for file in ["membership.json", "placement.json"] {
        let path = state.join(file);
        let mut kept: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        kept["of_a_newer_version"] = "new".into();
        // In place: the file keeps its mode.
        fs::write(&path, kept.to_string()).unwrap();
    }
    proxy.serve().await.unwrap();
    ask_until(&proxy.token_server(&sandbox(0)), "?audience=a", 200).await;
}

/// Every file below a directory, with its bytes.
fn contents(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_store_is_refused_with_65_and_left_alone() {
    let mut stand = Stand::start().await;
    stand.coordinator.kill().await.unwrap();
    let store = stand.directory.path().join("store");
    let identity = store.join("IDENTITY");
    let whole = fs::read(&identity).unwrap();
    let mut newer = whole.clone();
    newer[7] = b'2';
    fs::write(&identity, &newer).unwrap();
    let before = contents(&store);
    for command in [&["serve"][..], &["store", "check"]] {
        let mut moneyer = Command::new(binary_directory().join("moneyer"));
        moneyer.arg("--config").arg(stand.directory.path().join("moneyer.toml")).args(command);
        let refused = moneyer.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(REFUSED), "{command:?}: {said}");
        assert!(said.contains("a newer version has written it"), "{command:?}: {said}");
        assert!(contents(&store) == before, "{command:?} changed a file");
    }
    fs::write(&identity, &whole).unwrap();
    stand.coordinator = stand.coordinator.restart().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_that_was_frozen_with_its_format_opens() {
    let directory = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/fixtures");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(fixtures.join("store.tar.gz")).arg("-C").arg(directory.path());
    assert!(tar.status().unwrap().success());
    // The issuer that it was made for.
    let issuer = ("MONEYER__ISSUER__URL".to_owned(), "http://127.0.0.1:8480".to_owned());
    let environment = Environment::from([issuer]);
    let stand = Stand::start_in(directory, environment).await;
    let kept: Vec<_> = crate::kill::all_sandboxes(&stand).await.into_iter().collect();
    assert_eq!(kept, ["web-1", "web-2", "web-3"]);
    let runner = stand.runner("runner-1").await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    for sandbox in kept {
        mint(&mut client, &sandbox).await.unwrap();
    }
}
