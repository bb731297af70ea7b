//! Metrics count every token, whoever asked for it.

use moneyer_proto::v1::MintTokenRequest;
use moneyer_proto::v1::minting_client::MintingClient;
use serde_json::json;

use crate::stand::{Stand, fetch, mint};

fn counted(stand: &Stand, metric: &str) -> u64 {
    let (_, text) = fetch(stand.coordinator.operations(), "/metrics").unwrap();
    let text = String::from_utf8(text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {metric} in\n{text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_refusals_of_every_edge_are_counted() {
    let stand = Stand::start().await;
    let runner = stand.runner("runner-1").await;
    let mut runner = MintingClient::new(runner.connect().await.unwrap());
    stand.place("web-1", "runner-1").await;
    let (mut controller, management) = (stand.placement().await, stand.management());
    let mut all = async |sandbox: &str| {
        let request = MintTokenRequest { sandbox_id: sandbox.to_owned(), ..Default::default() };
        let path = format!("sandboxes/{sandbox}/token");
        [
            mint(&mut runner, sandbox).await.is_ok(),
            controller.mint_token(request).await.is_ok(),
            management.call("POST", &path, &json!({})).unwrap().is_ok(),
        ]
    };
    assert_eq!(all("web-1").await, [true; 3]);
    assert_eq!(all("web-2").await, [false; 3]);
    assert_eq!(counted(&stand, "moneyer_tokens_minted_total"), 3);
    assert_eq!(counted(&stand, "moneyer_mint_seconds_count"), 3);
    assert_eq!(counted(&stand, "moneyer_tokens_refused_total{class=\"not_found\"}"), 3);
}
