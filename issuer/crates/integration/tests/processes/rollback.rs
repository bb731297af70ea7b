//! Fault F6, promise P4: last week's directory is whole in itself, and is noticed all the same, by the
//! receipt a runner has kept.

use std::path::Path;
use std::process::Command;

use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::{Receipt, WatchSandboxesRequest};
use tonic::Code;
use tonic::transport::Channel;

use crate::stand::{Stand, mint, place};

async fn watch(client: &mut MintingClient<Channel>, receipt: Option<Receipt>) -> Receipt {
    let request = WatchSandboxesRequest { receipt, ..WatchSandboxesRequest::default() };
    let mut stream = client.watch_sandboxes(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap().receipt.unwrap()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_put_back_mints_and_changes_nothing_once_a_runner_tells() {
    let mut stand = Stand::start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let (store, last_week) =
        (stand.directory.path().join("store"), stand.directory.path().join("last-week"));
    stand.coordinator.kill().await.unwrap();
    copy(&store, &last_week);
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    stand.place("web-2", "runner-1").await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    let receipt = watch(&mut client, None).await;
    let forged = Receipt { generation: receipt.generation + 1000, ..receipt.clone() };
    watch(&mut client, Some(forged)).await;
    mint(&mut client, "web-1").await.unwrap();

    stand.coordinator.kill().await.unwrap();
    std::fs::remove_dir_all(&store).unwrap();
    copy(&last_week, &store);
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    mint(&mut client, "web-1").await.unwrap();
    watch(&mut client, Some(receipt)).await;

    assert_eq!(mint(&mut client, "web-1").await.unwrap_err().0, Code::Unavailable);
    let placed = place(&mut stand.placement().await, "web-3", "runner-1").await;
    assert_eq!(placed.unwrap_err().code(), Code::Unavailable);
    let log = std::fs::read_to_string(stand.directory.path().join("moneyer.log")).unwrap();
    assert!(log.contains("the store was put back to an older state"), "{log}");
}
