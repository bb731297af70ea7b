//! The coordinator goes away and comes back: sandboxes go on with what is in hand (fault F15).

use std::path::Path;
use std::time::Duration;

use moneyer_load::http1::{Connection, Endpoint};
use moneyer_load::stand::RunnerProxy;

use crate::stand::Stand;

/// Asks a sandbox's token server: status and body.
pub(crate) fn ask(server: &Endpoint, query: &str) -> (u16, String) {
    let request = format!("GET /v1/token{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut connection = Connection::open(server).unwrap();
    let (status, body) = connection.exchange(request.as_bytes()).unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Asks until the answer is `wanted`; the test fails if that takes longer than any reconnection may.
pub(crate) async fn ask_until(server: &Endpoint, query: &str, wanted: u16) -> String {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        // A sandbox's socket appears a moment after its runner proxy has come up.
        if Connection::open(server).is_ok() {
            let (status, body) = ask(server, query);
            if status == wanted {
                return body;
            }
            assert!(tokio::time::Instant::now() < give_up, "still {status}: {body}");
        }
        assert!(tokio::time::Instant::now() < give_up, "there is no socket");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn token_file(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("run/sandboxes/web-1/token")).unwrap()
}

pub(crate) async fn attached() -> (Stand, RunnerProxy) {
    let stand = Stand::start().await;
    let invitation = stand.coordinator.invite_runner("host").unwrap();
    let (binaries, directory) = (&stand.binaries, stand.directory.path());
    let proxy = RunnerProxy::join(binaries, directory, &stand.coordinator, &invitation).await;
    let mut proxy = proxy.unwrap();
    stand.place("web-1", "host").await;
    proxy.serve().await.unwrap();
    proxy.attach("web-1").await.unwrap();
    (stand, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_socket_and_cached_audiences_go_on_while_it_is_away() {
    let (mut stand, proxy) = attached().await;
    let server = proxy.token_server("web-1");
    let before = ask(&server, "?audience=a");
    let file = token_file(stand.directory.path());
    assert_eq!(before.0, 200, "{}", before.1);

    stand.coordinator.kill().await.unwrap();

    assert_eq!(ask(&server, "?audience=a"), before, "the cached token is served at once");
    let (status, body) = ask(&server, "?audience=never-asked-before");
    assert_eq!(status, 503, "{body}");
    assert_eq!(token_file(stand.directory.path()), file);

    stand.coordinator = stand.coordinator.restart().await.unwrap();
    ask_until(&server, "?audience=never-asked-before", 200).await;
    assert_eq!(ask(&server, "?audience=a"), before, "a token in its first half is not renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_proxy_starts_and_keeps_trying_while_it_is_away() {
    let (mut stand, mut proxy) = attached().await;
    let server = proxy.token_server("web-1");
    let file = token_file(stand.directory.path());
    proxy.stop_serving().await.unwrap();
    stand.coordinator.kill().await.unwrap();

    proxy.serve().await.unwrap();

    assert_eq!(token_file(stand.directory.path()), file, "a token that is valid stays");
    ask_until(&server, "?audience=a", 503).await;
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    ask_until(&server, "?audience=a", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_leaves_loses_its_directory_and_secret() {
    let (stand, proxy) = attached().await;
    let server = proxy.token_server("web-1");
    assert_eq!(ask(&server, "").0, 200);
    let directory = stand.directory.path().join("run/sandboxes/web-1");
    let _other = stand.runner("elsewhere").await;

    stand.place("web-1", "elsewhere").await;

    let give_up = tokio::time::Instant::now() + Duration::from_secs(10);
    while directory.exists() {
        assert!(tokio::time::Instant::now() < give_up, "the directory is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(Connection::open(&server).is_err());
}
