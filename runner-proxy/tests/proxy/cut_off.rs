//! Changes that are cut off: whoever asked goes away while the disk is slow, or the disk refuses.

use std::sync::mpsc;
use std::time::Duration;

use moneyer_proto::v1;
use tokio::runtime::{Builder, Runtime};

use tokio::task::JoinHandle;

use crate::host::{Proxy, eventually, with_one_sandbox};
use crate::http;

/// A runtime on whose one blocking thread files are written durably.
fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap()
}

/// Holds up whatever is written durably until what it returns is dropped.
fn hold_the_disk() -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel();
    tokio::task::spawn_blocking(move || held.recv());
    release
}

/// Whether a change is under way, which lists wait for.
async fn is_under_way(proxy: &Proxy, longest: Duration) -> bool {
    tokio::time::timeout(longest, proxy.list()).await.is_err()
}

/// Ends the caller of a change, which goes on.
async fn hang_up<T: std::fmt::Debug>(caller: JoinHandle<T>, proxy: &Proxy) {
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert!(is_under_way(proxy, Duration::from_secs(1)).await, "it was given up");
}

#[test]
fn a_detach_whose_caller_goes_away_is_carried_out() {
    runtime().block_on(async {
        let (_cluster, _coordinator, host, proxy) = with_one_sandbox().await;
        let url = proxy.variable("s-1", "MONEYER_TOKEN_URL").unwrap();
        let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();

        let disk = hold_the_disk();
        let mut control = proxy.control().await;
        let request = v1::DetachSandboxRequest { sandbox_id: "s-1".to_owned() };
        let detaching = tokio::spawn(async move { control.detach_sandbox(request).await });
        eventually("the secret is dead", async || {
            http::with_secret(&url, "", &secret).await.0 == 403
        })
        .await;
        hang_up(detaching, &proxy).await;
        drop(disk);

        eventually("s-1 is gone", async || !proxy.directory("s-1").exists()).await;
        assert_eq!(proxy.list().await, []);
        let roster = std::fs::read_to_string(host.path("state/roster.json")).unwrap();
        assert!(!roster.contains(&secret), "{roster}");
        assert!(!proxy.detach("s-1").await);
        proxy.attach("s-1", &[]).await.unwrap();
        let socket = proxy.directory("s-1").join("identity.sock");
        assert_eq!(http::on_socket(&socket, "/v1/token").await.unwrap().0, 200);
        assert_ne!(proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap(), secret);
        proxy.stop().await;
    });
}

#[test]
fn an_attach_whose_caller_goes_away_is_carried_out() {
    runtime().block_on(async {
        let (cluster, _coordinator, host, proxy) = with_one_sandbox().await;
        cluster.place("s-2", &[]);

        let disk = hold_the_disk();
        let mut control = proxy.control().await;
        let request =
            v1::AttachSandboxRequest { sandbox_id: "s-2".to_owned(), profiles: Vec::new() };
        let attaching = tokio::spawn(async move { control.attach_sandbox(request).await });
        eventually("the roster is being written", async || {
            is_under_way(&proxy, Duration::from_millis(200)).await
        })
        .await;
        hang_up(attaching, &proxy).await;
        drop(disk);

        eventually("s-2 is attached", async || proxy.list().await.len() == 2).await;
        let secret = proxy.variable("s-2", "MONEYER_TOKEN_SECRET").unwrap();
        let roster = std::fs::read_to_string(host.path("state/roster.json")).unwrap();
        assert!(roster.contains(&secret), "{roster}");
        proxy.attach("s-2", &[]).await.unwrap();
        assert_eq!(proxy.variable("s-2", "MONEYER_TOKEN_SECRET").unwrap(), secret);
        assert!(proxy.detach("s-2").await);
        assert!(!proxy.directory("s-2").exists());
        proxy.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detach_that_the_disk_refused_is_tried_again_by_the_next() {
    let (_cluster, _coordinator, host, proxy) = with_one_sandbox().await;
    let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    let (roster, aside) = (host.path("state/roster.json"), host.path("state/aside"));
    std::fs::rename(&roster, &aside).unwrap();
    std::fs::create_dir(&roster).unwrap();
    let request = v1::DetachSandboxRequest { sandbox_id: "s-1".to_owned() };
    let refused = proxy.control().await.detach_sandbox(request).await.unwrap_err();
    assert!(refused.message().contains("roster"), "{refused}");
    assert!(!proxy.directory("s-1").exists());

    std::fs::remove_dir(&roster).unwrap();
    std::fs::rename(&aside, &roster).unwrap();
    assert!(std::fs::read_to_string(&roster).unwrap().contains(&secret));
    assert!(proxy.detach("s-1").await);
    assert!(!std::fs::read_to_string(&roster).unwrap().contains(&secret));
    assert!(!proxy.detach("s-1").await);
    proxy.stop().await;
}
