//! Threat A 25: how much is done for one sandbox, and what that means for the others.

use moneyer_proto::v1;
use tonic::{Code, Status};

use crate::member::{Member, mint_request};
use crate::world::World;

async fn world() -> (World, Member) {
    let world = World::with(&[
        ("LIMITS__SANDBOX_TOKENS_PER_SECOND", "2"),
        ("LIMITS__RUNNER_TOKENS_PER_SECOND", "20"),
    ])
    .await;
    let member = world.join("runner-1").await;
    world.place("greedy", "runner-1").await;
    world.place("modest", "runner-1").await;
    (world, member)
}

/// Asks until refused; gives how many tokens came before. A share refills while it is used up, so a
/// slow machine sees more than one second's worth of burst.
async fn exhaust(member: &Member, sandbox: &str) -> (usize, Status) {
    let mut minted = 0;
    loop {
        match member.mint(sandbox, &[]).await {
            Ok(_) => minted += 1,
            Err(status) => return (minted, status),
        }
        assert!(minted < 10_000, "no limit");
    }
}

#[tokio::test]
async fn a_greedy_sandbox_is_told_when_to_come_back_and_harms_no_other() {
    let (_world, member) = world().await;
    let (minted, refused) = exhaust(&member, "greedy").await;
    assert!(minted >= 4, "twice a second's worth may come at once, not {minted}");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let wait = refused.metadata().get("retry-after-ms").unwrap().to_str().unwrap();
    let wait: u64 = wait.parse().unwrap();
    assert!((1..=500).contains(&wait), "one token in half a second, not in {wait} ms");
    // Far more than the runner's own share: what is refused to the sandbox is not the runner's loss.
    let requests = vec![mint_request("greedy", &[], 0); 64];
    for _ in 0..4 {
        let request = v1::MintTokensRequest { requests: requests.clone() };
        member.minting().mint_tokens(request).await.unwrap();
    }
    member.mint("modest", &[]).await.unwrap();
}

#[tokio::test]
async fn nobody_uses_up_the_share_of_another_runners_sandbox() {
    let (world, member) = world().await;
    let hostile = world.join("runner-2").await;
    let requests = vec![mint_request("greedy", &[], 0); 10];
    let request = v1::MintTokensRequest { requests };
    hostile.minting().mint_tokens(request).await.unwrap();
    member.mint("greedy", &[]).await.unwrap();
}

#[tokio::test]
async fn a_runner_has_a_share_too_and_system_tokens_come_out_of_it() {
    let (world, member) = world().await;
    let requests: Vec<_> = (0..60).map(|n| mint_request(&format!("web-{n}"), &[], 0)).collect();
    let request = v1::MintTokensRequest { requests };
    let results = member.minting().mint_tokens(request).await.unwrap().into_inner().results;
    let refused = |result: &v1::MintTokenResult| match &result.result {
        Some(v1::mint_token_result::Result::Refusal(refusal)) => refusal.code,
        _ => 0,
    };
    let exhausted = i32::from(Code::ResourceExhausted);
    assert!(results.iter().any(|result| refused(result) == exhausted), "the burst is 40");
    let refused = loop {
        let request = v1::MintSystemTokenRequest {
            system_workload: "telemetry".to_owned(),
            ..Default::default()
        };
        if let Err(status) = member.minting().mint_system_token(request).await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // Another runner has its own.
    let other = world.join("runner-2").await;
    world.place("elsewhere", "runner-2").await;
    other.mint("elsewhere", &[]).await.unwrap();
}
