//! A runner host with sandboxes, as real processes, and what its sandboxes can see of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use moneyer_load::http1::Endpoint;
use moneyer_load::stand::RunnerProxy;
use serde_json::Value;
use tokio::time::Instant;

use crate::coordinator_away::ask;
use crate::stand::{Stand, fetch};

/// Commands that attach at a time.
const ATTACHING: usize = 4;

/// A token from the cache takes no longer, on a machine that is busy with other tests.
const AT_ONCE: Duration = Duration::from_secs(2);

/// `tokens.jitter` of a runner proxy, by default.
pub(crate) const JITTER: Duration = Duration::from_secs(30);

/// The name of a sandbox by its number.
pub(crate) fn sandbox(number: usize) -> String {
    format!("web-{number}")
}

/// A runner proxy that reaches the coordinator at `address`, with this many sandboxes attached.
pub(crate) async fn host(stand: &Stand, address: SocketAddr, sandboxes: usize) -> RunnerProxy {
    let invitation = stand.coordinator.invite_runner("host").unwrap();
    let (binaries, directory) = (&stand.binaries, stand.directory.path());
    let joined = RunnerProxy::join_at(binaries, directory, address, &invitation).await;
    let mut proxy = joined.unwrap();
    for number in 0..sandboxes {
        stand.place(&sandbox(number), "host").await;
    }
    proxy.serve().await.unwrap();
    let attaching = stream::iter(0..sandboxes).map(|number| {
        let (proxy, name) = (&proxy, sandbox(number));
        async move { proxy.attach(&name).await }
    });
    attaching.buffer_unordered(ATTACHING).try_collect::<Vec<()>>().await.unwrap();
    proxy
}

/// The `jti` of a token.
pub(crate) fn token_id(token: &str) -> String {
    claims(token)["jti"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The `jti` of every token in the sandboxes' files; a sandbox without one fails the test, as does one
/// whose token is over.
pub(crate) fn tokens_in_files(proxy: &RunnerProxy, sandboxes: usize) -> BTreeSet<String> {
    let now = moneyer_identity::SystemClock.since_epoch().as_secs();
    let token = |number| {
        let file = proxy.sandbox_directory(&sandbox(number)).join("token");
        let token =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {file:?}"));
        let ends = claims(&token)["exp"].as_u64().unwrap();
        assert!(ends > now, "the token in {file:?} is over since {} s", now - ends);
        token_id(&token)
    };
    (0..sandboxes).map(token).collect()
}

/// Asks for a token that is cached, which must come at once.
pub(crate) fn ask_at_once(server: &Endpoint, query: &str) -> String {
    let asked = Instant::now();
    let (status, body) = ask(server, query);
    let waited = asked.elapsed();
    assert_eq!(status, 200, "{body}");
    assert!(waited < AT_ONCE, "a cached token took {waited:?}");
    body
}

/// `/readyz` of the runner proxy.
pub(crate) fn readiness(proxy: &RunnerProxy) -> (u16, Value) {
    let (status, body) = fetch(proxy.operations(), "/readyz").expect("no /readyz");
    (status, serde_json::from_slice(&body).unwrap())
}

/// One `token_minted` of the audit log: when by its second, and the `jti`.
pub(crate) struct Minted {
    pub(crate) at: i64,
    pub(crate) token_id: String,
}

/// Every `token_minted` for a sandbox of this runner so far, in order.
pub(crate) fn minted(log: &Path) -> Vec<Minted> {
    let mut files: Vec<_> =
        std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut minted = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl")) {
        let text = std::fs::read_to_string(file).unwrap();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            if record["event"] == "token_minted" {
                let token_id = record["jti"].as_str().unwrap().to_owned();
                minted.push(Minted { at: record["time"].as_i64().unwrap(), token_id });
            }
        }
    }
    minted
}

/// The most that fell into one second, and in how many seconds anything did.
pub(crate) fn burst(minted: &[Minted]) -> (usize, usize) {
    let mut seconds = std::collections::BTreeMap::<i64, usize>::new();
    for token in minted {
        *seconds.entry(token.at).or_default() += 1;
    }
    (seconds.values().copied().max().unwrap_or(0), seconds.len())
}

/// The most that may fall into one second where so many are spread evenly over a window: the mean and six
/// standard deviations, which chance exceeds less than once in a million runs, and the renewals that are
/// taken together because they are due within half a second.
pub(crate) fn allowed_burst(tokens: usize, window: Duration) -> usize {
    let tokens = u32::try_from(tokens).unwrap();
    let mean = 1.5 * f64::from(tokens) / window.as_secs_f64();
    let allowed = (mean + 6.0 * mean.sqrt()).ceil();
    (1..=u16::MAX).find(|count| f64::from(*count) >= allowed).map(usize::from).unwrap()
}

#[test]
fn a_burst_of_all_of_them_is_not_allowed() {
    for (sandboxes, window) in [(40, 8), (200, 30), (1000, 30)] {
        let allowed = allowed_burst(sandboxes, Duration::from_secs(window));
        assert!(allowed < sandboxes, "{allowed} of {sandboxes} in one second of {window}");
    }
}
