//! `token-server`: how long a sandbox waits for a token on its own socket, with and without the runner
//! proxy's cache.
//!
//! Open loop on the Unix socket: cached at a fixed rate, uncached (an audience nobody asked for before)
//! at a part of what raw signatures would allow on all cores, since every one of them is signed.

use std::time::Duration;

use serde::Serialize;

use super::figures::{Comparison, Latency, Reference, p50, p99};
use crate::http1::{Connection, Endpoint, HttpError, LoadError, paced};
use crate::measure::{
    ProcessError, ProcessId, RawSignature, RawSignatureError, Sample, as_f64, per,
};
use crate::stand::{Cluster, ClusterError, PROXY_SANDBOX, RunnerProxyError};

/// Connections to the sandbox's socket: a busy sandbox.
const CONNECTIONS: u64 = 16;

/// Requests answered from the cache, a second.
const CACHED_RATE: f64 = 10_000.0;

/// Uncached requests, as a part of the raw signatures all cores could make.
const UNCACHED_PART: f64 = 0.5;

/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Why the token server gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenServerError {
    /// No runner proxy.
    #[error("the runner proxy did not start")]
    Start(#[source] ClusterError),
    /// It did not stop.
    #[error("the runner proxy did not stop")]
    Stop(#[source] RunnerProxyError),
    /// The yardstick failed.
    #[error("raw signatures failed")]
    RawSignature(#[source] RawSignatureError),
    /// The first token could not be had.
    #[error("cannot get a first token")]
    First(#[source] HttpError),
    /// A request failed.
    #[error("asking for {0} tokens failed")]
    Load(&'static str, #[source] LoadError),
    /// The runner proxy could not be measured.
    #[error("the runner proxy's CPU time cannot be measured")]
    Process(#[source] ProcessError),
    /// A thread died.
    #[error("a thread of the load generator died")]
    Thread(#[source] tokio::task::JoinError),
}

/// How fast a sandbox gets tokens.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TokenServerFigures {
    /// Always `token-server`.
    pub(crate) work: &'static str,
    /// Registered sandboxes.
    pub(crate) sandboxes: u64,
    /// Tokens nobody asked for before, against raw signatures on all cores.
    #[serde(flatten)]
    pub(crate) uncached: Comparison,
    /// The rate they were asked for at.
    pub(crate) uncached_rate: f64,
    /// One token again and again.
    pub(crate) cached: Latency,
    /// The runner proxy's CPU time for a cached token, in microseconds.
    pub(crate) cached_cpu_us: Option<f64>,
}

/// Asks for about `duration`.
pub(crate) async fn measure(
    cluster: &Cluster,
    yardstick: &RawSignature,
    duration: Duration,
) -> Result<TokenServerFigures, TokenServerError> {
    let mut proxy = cluster.start_runner_proxy().await.map_err(TokenServerError::Start)?;
    let sandbox = Sandbox { socket: proxy.token_server(PROXY_SANDBOX), proxy: proxy.process() };
    // The first answer fills the cache, so that all that count come from it.
    Connection::open(&sandbox.socket)
        .and_then(|mut open| open.exchange_ok(&request("load-cached")).map(drop))
        .map_err(TokenServerError::First)?;
    let again = |_| request("load-cached");
    sandbox.ask("cached", CACHED_RATE, WARM_UP, again).await?;
    let (cached, cached_cpu_us) = sandbox.ask("cached", CACHED_RATE, duration / 2, again).await?;

    let raw = tokio::task::block_in_place(|| yardstick.sample(WARM_UP));
    let raw = raw.map_err(TokenServerError::RawSignature)?.seconds().unwrap_or(1.0);
    let ceiling = Reference::raw_signature(raw);
    let rate = ceiling.per_second * UNCACHED_PART;
    let warm = |n| request(&format!("load-warm-{n}"));
    sandbox.ask("uncached", rate, WARM_UP, warm).await?;
    let new = |n| request(&format!("load-{n}"));
    let (uncached, uncached_cpu_us) = sandbox.ask("uncached", rate, duration / 2, new).await?;
    proxy.stop_serving().await.map_err(TokenServerError::Stop)?;
    Ok(TokenServerFigures {
        work: "token-server",
        sandboxes: cluster.sandboxes(),
        uncached: Comparison {
            ratio: per(uncached.per_second(), ceiling.per_second),
            per_second: uncached.per_second(),
            p50_ms: p50(&uncached),
            p99_ms: p99(&uncached),
            cpu_us: uncached_cpu_us,
            reference: Some(ceiling),
        },
        uncached_rate: rate,
        cached: Latency::of(&cached, CACHED_RATE),
        cached_cpu_us,
    })
}

/// A sandbox that asks, and the runner proxy that answers.
struct Sandbox {
    socket: Endpoint,
    proxy: Option<ProcessId>,
}

impl Sandbox {
    /// Asks at a fixed rate; also the proxy's CPU time for an answer, in microseconds.
    async fn ask(
        &self,
        what: &'static str,
        rate: f64,
        duration: Duration,
        request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<(Sample, Option<f64>), TokenServerError> {
        let before = self.cpu_time()?;
        let socket = self.socket.clone();
        let run = move || paced(&socket, CONNECTIONS, rate, duration, &request);
        let done = tokio::task::spawn_blocking(run).await.map_err(TokenServerError::Thread)?;
        let sample = done.map_err(|source| TokenServerError::Load(what, source))?;
        let cpu = self.cpu_time()?.saturating_sub(before);
        let seconds = per(cpu.as_secs_f64(), as_f64(sample.latencies.count()));
        Ok((sample, seconds.map(|seconds| seconds * 1e6)))
    }

    fn cpu_time(&self) -> Result<Duration, TokenServerError> {
        let time = self.proxy.map(ProcessId::cpu_time).transpose();
        Ok(time.map_err(TokenServerError::Process)?.unwrap_or_default())
    }
}

fn request(audience: &str) -> Vec<u8> {
    format!("GET /v1/token?audience={audience} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}
