//! The coordinator goes away and comes back.

use std::time::Duration;

use moneyer_proto::v1::TokenFileState;
use tokio::time::Instant;
use tonic::Code;

use crate::coordinator::Cluster;
use crate::host::{Host, Proxy, eventually};
use crate::http;

async fn is_ready(proxy: &Proxy) -> bool {
    http::plain(&proxy.operations(), "/readyz").await.0 == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_coordinator_is_away_everything_in_use_goes_on() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let port = coordinator.address.port();
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[("aws", "sts")]);
    cluster.place("s-2", &[("aws", "sts")]);
    proxy.attach("s-1", &[]).await.unwrap();
    assert!(is_ready(&proxy).await);
    let socket = proxy.directory("s-1").join("identity.sock");
    let cached = http::on_socket(&socket, "/v1/token?audience=x").await.unwrap();
    let token = proxy.file("s-1", "token").unwrap();

    coordinator.stop(&cluster).await;
    eventually("the outage is noticed", async || !is_ready(&proxy).await).await;
    assert_eq!(http::plain(&proxy.operations(), "/livez").await.0, 200);
    assert_eq!(http::on_socket(&socket, "/v1/token?audience=x").await.unwrap(), cached);
    assert_eq!(proxy.file("s-1", "token").unwrap(), token);
    let (status, body) = http::on_socket(&socket, "/v1/token?audience=new").await.unwrap();
    assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")));

    let attached = proxy.attach("s-2", &[]).await.unwrap();
    assert!(attached.warnings[0].contains("cannot be reached"), "{:?}", attached.warnings);
    assert!(proxy.variable("s-2", "AWS_ROLE_SESSION_NAME").is_some());
    assert_eq!(proxy.state("s-2", "token").await, Some(TokenFileState::Waiting));
    let error = proxy.attach("s-3", &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("try again"), "{error}");

    let coordinator = cluster.start(port);
    eventually("s-2 gets its files", async || {
        proxy.file("s-2", "token").is_some() && proxy.file("s-2", "tokens/aws").is_some()
    })
    .await;
    assert_eq!(http::on_socket(&socket, "/v1/token?audience=x").await.unwrap(), cached);
    assert_eq!(http::on_socket(&socket, "/v1/token?audience=new").await.unwrap().0, 200);
    assert!(is_ready(&proxy).await);
    proxy.stop().await;
    coordinator.stop(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_the_coordinator_and_catches_up() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let port = coordinator.address.port();
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    for n in 0..100 {
        let id = format!("s-{n}");
        cluster.place(&id, &[]);
        proxy.attach(&id, &[]).await.unwrap();
    }
    proxy.stop().await;
    coordinator.stop(&cluster).await;
    // As after a reboot: the run directory was on a tmpfs.
    std::fs::remove_dir_all(host.path("run")).unwrap();

    let proxy = host.start();
    assert_eq!(proxy.list().await.len(), 100);
    let socket = proxy.directory("s-7").join("identity.sock");
    assert_eq!(http::on_socket(&socket, "/v1/token").await.unwrap().0, 503);
    assert!(proxy.variable("s-7", "MONEYER_ISSUER").is_some(), "known from before");
    cluster.displace("s-8");
    cluster.records(|records| records.batches.clear());

    let coordinator = cluster.start(port);
    eventually("all files are there", async || {
        (0..100).filter(|n| *n != 8).all(|n| proxy.file(&format!("s-{n}"), "token").is_some())
    })
    .await;
    eventually("s-8 is gone", async || !proxy.directory("s-8").exists()).await;
    let batches = cluster.records(|records| records.batches.clone());
    assert!(batches.iter().all(|batch| *batch <= 64), "{batches:?}");
    proxy.stop().await;
    coordinator.stop(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_renewed_when_it_is_due() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    // Renewed at 70 % of it. Much shorter, and on a busy machine it would be over before the proxy is there.
    cluster.records(|records| records.certificate_life = 10);
    let host = Host::joined(&cluster, &coordinator).await;
    let membership = std::fs::read_to_string(host.path("state/membership.json")).unwrap();
    let proxy = host.start();
    eventually("the certificate is renewed", async || {
        let present = std::fs::read_to_string(host.path("state/membership.json")).unwrap();
        cluster.records(|records| records.renewals) == 1 && present != membership
    })
    .await;
    eventually("it is ready", async || is_ready(&proxy).await).await;
    let metrics = http::plain(&proxy.operations(), "/metrics").await.1;
    assert!(metrics.contains("moneyer_runner_coordinator_connected"), "{metrics}");
    proxy.stop().await;
    let proxy = host.start();
    eventually("the new certificate works", async || is_ready(&proxy).await).await;
    assert_eq!(cluster.records(|records| records.renewals), 1);
    proxy.stop().await;
}

/// The coordinator ends each connection at an age. With one that lives for a third of a second, what
/// happens every five minutes happens many times while requests for new tokens come one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_because_a_connection_comes_to_its_age() {
    let cluster = Cluster::new();
    let coordinator = cluster.start_with_age(Duration::from_millis(300));
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    let socket = proxy.directory("s-1").join("identity.sock");
    let (until, mut asked) = (Instant::now() + Duration::from_secs(6), 0);
    while Instant::now() < until {
        let answer = http::on_socket(&socket, &format!("/v1/token?audience=a{asked}")).await;
        let (status, body) = answer.unwrap();
        assert_eq!(status, 200, "after {asked} tokens: {body}");
        asked += 1;
    }
    proxy.stop().await;
    coordinator.stop(&cluster).await;
}
