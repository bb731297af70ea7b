//! The coordinator goes away, and the proxy starts anew.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::{Workload, is_quiet, next};
use crate::authority::Authority;
use crate::coordinator::Cluster;
use crate::host::{Host, eventually};
use crate::http;

async fn is_ready(proxy: &crate::host::Proxy) -> bool {
    http::plain(&proxy.operations(), "/readyz").await.0 == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_coordinator_is_away_svids_are_served_and_streams_stay_open() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let port = coordinator.address.port();
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    for sandbox in ["s-1", "s-2"] {
        cluster.place(sandbox, &[]);
        proxy.attach(sandbox, &[]).await.unwrap();
    }
    let workload = Workload::of(&proxy, "s-1").await;
    let mut svids = workload.x509_svids().await.unwrap();
    let mut bundles = workload.jwt_bundles().await.unwrap();
    let held = next(&mut svids).await.unwrap();
    next(&mut bundles).await.unwrap();
    let token = workload.jwt_svid(&["a"], "").await.unwrap();

    coordinator.stop(&cluster).await;
    eventually("the outage is noticed", async || !is_ready(&proxy).await).await;
    let mut fastest = Duration::MAX;
    for _ in 0..100 {
        let begun = Instant::now();
        assert_eq!(workload.jwt_svid(&["a"], "").await.unwrap(), token);
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_millis(5), "{fastest:?}");
    let mut again = workload.x509_svids().await.unwrap();
    assert_eq!(next(&mut again).await.unwrap(), held);
    assert!(workload.validate("a", &token.svids[0].svid).await.is_ok());
    let begun = Instant::now();
    let refused = [
        workload.jwt_svid(&["new"], "").await.unwrap_err(),
        Workload::of(&proxy, "s-2").await.x509_svids().await.err().unwrap(),
    ];
    assert!(refused.iter().all(|status| status.code() == Code::Unavailable), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "it is said without waiting");
    assert!(is_quiet(&mut svids).await && is_quiet(&mut bundles).await);

    let other = Authority::new("other.test", "k");
    cluster.change_bundles(|records| records.federated = vec![other.bundle()]);
    let coordinator = cluster.start(port);
    assert_eq!(next(&mut svids).await.unwrap().federated_bundles.len(), 1);
    assert_eq!(next(&mut bundles).await.unwrap().bundles.len(), 2);
    assert!(workload.jwt_svid(&["new"], "").await.is_ok());
    proxy.stop().await;
    coordinator.stop(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_the_coordinator_still_has_the_bundles_and_who_is_who() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let port = coordinator.address.port();
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[]);
    cluster.place("bare-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    proxy.attach("bare-1", &[]).await.unwrap();
    let workload = Workload::of(&proxy, "s-1").await;
    let before = next(&mut workload.x509_bundles().await.unwrap()).await.unwrap();
    let token = workload.jwt_svid(&["a"], "").await.unwrap().svids.remove(0).svid;
    next(&mut workload.x509_svids().await.unwrap()).await.unwrap();
    proxy.stop().await;
    coordinator.stop(&cluster).await;
    let kept = std::fs::read(host.path("state/bundles.json")).unwrap();
    assert!(!String::from_utf8(kept).unwrap().contains("PRIVATE"));

    let proxy = host.start();
    let workload = Workload::of(&proxy, "s-1").await;
    let after = next(&mut workload.x509_bundles().await.unwrap()).await.unwrap();
    assert_eq!(after, before);
    assert!(workload.validate("a", &token).await.is_ok());
    for refused in [workload.x509_svids().await.err(), workload.jwt_svid(&["a"], "").await.err()] {
        assert_eq!(refused.unwrap().code(), Code::Unavailable, "keys were in memory only");
    }
    let bare = Workload::of(&proxy, "bare-1").await.x509_svids().await.err().unwrap();
    assert_eq!(bare.code(), Code::PermissionDenied);

    let coordinator = cluster.start(port);
    eventually("SVIDs are there again", async || workload.x509_svids().await.is_ok()).await;
    proxy.stop().await;
    coordinator.stop(&cluster).await;
}
