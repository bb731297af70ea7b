//! A runner gets tokens for what is placed on it now, and nothing tells it of the rest.

use moneyer_proto::v1::WatchSandboxesRequest;
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::watch_sandboxes_response::Change;
use tonic::Code;

use crate::stand::{Stand, mint};

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_sandbox_is_refused_to_its_old_runner_at_once() {
    let stand = Stand::start().await;
    let (one, two) = (stand.runner("runner-1").await, stand.runner("runner-2").await);
    let mut one = MintingClient::new(one.connect().await.unwrap());
    let mut two = MintingClient::new(two.connect().await.unwrap());
    stand.place("web-1", "runner-1").await;
    mint(&mut one, "web-1").await.unwrap();
    let not_yours = mint(&mut two, "web-1").await.unwrap_err();
    for round in 0..20 {
        let (to, from, runner) = if round % 2 == 0 {
            (&mut two, &mut one, "runner-2")
        } else {
            (&mut one, &mut two, "runner-1")
        };
        stand.place("web-1", runner).await;
        assert_eq!(mint(from, "web-1").await.unwrap_err(), not_yours, "round {round}");
        mint(to, "web-1").await.unwrap();
    }
    assert_eq!(not_yours.0, Code::NotFound);
    assert_eq!(mint(&mut two, "no-such-sandbox").await.unwrap_err(), not_yours);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_runner_is_cut_off_on_its_open_stream() {
    let stand = Stand::start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    let watch = client.watch_sandboxes(WatchSandboxesRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let first = watch.message().await.unwrap().unwrap();
    let Some(Change::All(all)) = first.change else { panic!("{first:?}") };
    assert_eq!(all.sandboxes.len(), 1);
    mint(&mut client, "web-1").await.unwrap();

    stand.coordinator.remove_runner("runner-1").unwrap();

    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(mint(&mut client, "web-1").await.unwrap_err().0, Code::Unauthenticated);
    let mut again = MintingClient::new(runner.connect().await.unwrap());
    assert_eq!(mint(&mut again, "web-1").await.unwrap_err().0, Code::Unauthenticated);
}
