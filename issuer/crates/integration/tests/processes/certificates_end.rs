//! Fault F19: certificates of the cluster's own mutual TLS that end while everything runs.

use std::time::Duration;

use moneyer_load::stand::Membership;
use moneyer_proto::v1::WatchSandboxesRequest;
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::coordinator_away::{ask, ask_until};
use crate::host::{ask_at_once, host, readiness, sandbox, tokens_in_files};
use crate::stand::{Stand, mint};

/// Life of every certificate here: the shortest there is.
const LIFE: Duration = Duration::from_secs(20);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(5);

const SHORT_LIVES: [(&str, &str); 2] = [
    ("MONEYER__ENROLLMENT__MEMBER_CERTIFICATE_LIFETIME", "20s"),
    ("MONEYER__ENROLLMENT__COORDINATOR_CERTIFICATE_LIFETIME", "20s"),
];

/// How often the audit log has this event.
fn events(stand: &Stand, event: &str) -> usize {
    let text = std::fs::read_dir(stand.directory.path().join("audit")).unwrap();
    let files = text.map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let wanted = format!("\"event\":\"{event}\"");
    logs.map(|log| std::fs::read_to_string(log).unwrap().matches(&wanted).count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_renewed_in_time_and_no_stream_or_request_notices() {
    let mut stand = Stand::start_with(&SHORT_LIVES).await;
    let proxy = host(&stand, stand.coordinator.grpc(), 2).await;
    // A member that does not renew, with a connection and a stream that were opened in time.
    let idle = stand.runner("idle").await;
    stand.place("other", "idle").await;
    let mut client = MintingClient::new(idle.connect().await.unwrap());
    let watch = client.watch_sandboxes(WatchSandboxesRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    watch.message().await.unwrap().unwrap();
    mint(&mut client, "other").await.unwrap();

    let server = proxy.token_server(&sandbox(0));
    let begun = Instant::now();
    let mut number = 0;
    // Longer than any certificate lives, the coordinator's own included, and than two of the host's serve
    // until they are renewed at 70 %.
    while begun.elapsed() < LIFE * 3 / 2 + SLACK {
        let (status, body) = ask(&server, &format!("?audience=a-{number}"));
        assert_eq!(status, 200, "after {:?}: {body}", begun.elapsed());
        let (status, health) = readiness(&proxy);
        assert_eq!((status, &health["certificate"]), (200, &"sound".into()), "{health}");
        number += 1;
        sleep(Duration::from_millis(250)).await;
    }
    assert!(events(&stand, "member_renewed") >= 2, "the runner proxy did not renew");
    eprintln!("{number} requests over {} renewals", events(&stand, "member_renewed"));

    assert_eq!(mint(&mut client, "other").await.unwrap_err().0, Code::Unauthenticated);
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unauthenticated);
    // Nor does it get in again; who has just come does, so the coordinator's own is a new one.
    if let Ok(channel) = idle.connect().await {
        mint(&mut MintingClient::new(channel), "other").await.unwrap_err();
    }
    // The controller did not renew either.
    let token = stand.coordinator.invite_controller("controller").unwrap();
    stand.controller = Membership::join(stand.coordinator.grpc(), &token).await.unwrap();
    let anew = stand.runner("anew").await;
    stand.place("fresh", "anew").await;
    mint(&mut MintingClient::new(anew.connect().await.unwrap()), "fresh").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_renewed_alarms_in_time_and_then_takes_another_join() {
    let mut stand = Stand::start_with(&SHORT_LIVES).await;
    let proxy = host(&stand, stand.coordinator.grpc(), 1).await;
    let server = proxy.token_server(&sandbox(0));
    let cached = ask_until(&server, "?audience=a", 200).await;
    stand.coordinator.kill().await.unwrap();
    let invitation_of = |stand: &Stand| stand.coordinator.invite_runner("host").unwrap();

    // Each state is seen, in order, with the life that is left.
    let give_up = Instant::now() + LIFE + SLACK;
    let mut seen = Vec::<(String, u64)>::new();
    while seen.last().is_none_or(|(health, _)| health != "over") {
        assert!(Instant::now() < give_up, "the certificate does not end: {seen:?}");
        let (status, health) = readiness(&proxy);
        let state = health["certificate"].as_str().unwrap().to_owned();
        let left = health["certificate_remaining_seconds"].as_u64().unwrap();
        assert_eq!(health["problem"].is_null(), state == "sound", "{health}");
        assert_eq!(status, if health["ready"] == true { 200 } else { 503 });
        if seen.last().is_none_or(|(before, _)| *before != state) {
            seen.push((state, left));
        }
        assert_eq!(ask_at_once(&server, "?audience=a"), cached);
        sleep(Duration::from_millis(100)).await;
    }
    let order: Vec<_> = seen.iter().map(|(state, _)| state.as_str()).collect();
    assert!(order.ends_with(&["degraded", "alarm", "over"]), "{seen:?}");
    let (_, degraded) = seen[seen.len() - 3];
    assert!(degraded >= 3, "a fifth of {LIFE:?} is four seconds: {seen:?}");
    // It is written at the next look, a second later at most.
    let give_up = Instant::now() + SLACK;
    loop {
        let log = std::fs::read_to_string(stand.directory.path().join("runner-proxy.log")).unwrap();
        if log.contains("run: moneyer-runner-proxy join") {
            break;
        }
        assert!(Instant::now() < give_up, "the log does not say what to do: {log}");
        sleep(Duration::from_millis(100)).await;
    }

    stand.coordinator = stand.coordinator.restart().await.unwrap();
    let (status, body) = ask(&server, "?audience=never-asked-before");
    assert_eq!(status, 503, "a certificate that is over still works: {body}");
    proxy.join_again(&invitation_of(&stand)).await.unwrap();
    // Without a restart.
    ask_until(&server, "?audience=never-asked-before", 200).await;
    assert_eq!(readiness(&proxy).0, 200);
    tokens_in_files(&proxy, 1);
}
