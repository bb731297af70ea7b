//! `keyset`: key set and discovery document beside nginx serving the same bytes, and how long the key
//! set takes while tokens are minted.
//!
//! Coordinator and nginx take turns under the same load from the same connections. The latencies beside
//! minting are at a fixed low rate: a relying party that fetches keys must not wait for signatures.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::figures::{Comparison, Latency, Reference, p50, p99};
use super::mint_load::{MintLoad, MintLoadError, Minters};
use crate::http1::{Connection, Endpoint, HttpError, LoadError, closed_loop, paced};
use crate::measure::{ProcessError, ProcessId, Sample, as_f64, per};
use crate::stand::{Cluster, Nginx, NginxError};

/// The documents, key set first.
const PATHS: [&str; 2] = ["/.well-known/jwks.json", "/.well-known/openid-configuration"];

/// Turns of coordinator and nginx for each document.
const TURNS: u32 = 3;

/// Connections of the closed loop, well below the 100 the coordinator takes from one address.
const CONNECTIONS: u64 = 32;

/// Connections and requests a second of the latency probe: enough for a 99th percentile in seconds,
/// too little to load anything.
const PROBE_CONNECTIONS: u64 = 8;
const PROBE_RATE: f64 = 400.0;

/// The minting that must not slow the key set.
const MINTING: MintLoad = MintLoad { in_flight: 64, batch: 1 };

/// Why the key set gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySetError {
    /// A document could not be had once.
    #[error("cannot fetch {0} from the coordinator")]
    Fetch(&'static str, #[source] HttpError),
    /// nginx failed.
    #[error("nginx cannot be compared with")]
    Nginx(#[source] NginxError),
    /// A request failed.
    #[error("fetching {path} from {server} failed")]
    Load {
        /// Whose.
        server: SocketAddr,
        /// What.
        path: &'static str,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// CPU time could not be measured.
    #[error("CPU time cannot be measured")]
    Process(#[source] ProcessError),
    /// Minting failed.
    #[error("minting beside the fetches failed")]
    Mint(#[source] MintLoadError),
    /// A thread died.
    #[error("a thread of the load generator died")]
    Thread(#[source] tokio::task::JoinError),
}

/// How fast the public documents are.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KeySetFigures {
    /// Always `keyset`.
    pub(crate) work: &'static str,
    /// Registered sandboxes.
    pub(crate) sandboxes: u64,
    /// The key set, closed loop.
    #[serde(flatten)]
    pub(crate) key_set: Comparison,
    /// The discovery document, closed loop.
    pub(crate) discovery: Comparison,
    /// The key set at a low rate with nothing beside.
    pub(crate) idle: Latency,
    /// The same while 64 mint calls are in flight.
    pub(crate) while_minting: Latency,
    /// Tokens a second minted beside.
    pub(crate) minted_per_second: f64,
}

/// A server and the processes it consists of.
struct Server {
    address: SocketAddr,
    processes: Vec<ProcessId>,
}

/// Fetches for about `duration`.
pub(crate) async fn measure(
    cluster: &Cluster,
    duration: Duration,
) -> Result<KeySetFigures, KeySetError> {
    let ours = Server {
        address: cluster.coordinator().public(),
        processes: vec![cluster.coordinator().process()],
    };
    let nginx = start_nginx(cluster, ours.address).await?;
    let theirs = match &nginx {
        None => None,
        Some(nginx) => Some(Server {
            address: nginx.address(),
            processes: nginx.process().with_children().map_err(KeySetError::Process)?,
        }),
    };
    let [key_set, discovery] = PATHS;
    let part = duration / 4;
    let key_set = compare(&ours, theirs.as_ref(), key_set, part).await?;
    let discovery = compare(&ours, theirs.as_ref(), discovery, part).await?;
    if let Some(nginx) = nginx {
        nginx.stop().await.map_err(KeySetError::Nginx)?;
    }
    let idle = probe(ours.address, part).await?;
    let minters = Minters::connect(cluster.runner(), MINTING, cluster.sandboxes()).await;
    let minters = minters.map_err(KeySetError::Mint)?;
    // Minting starts before and ends after the probe.
    let margin = Duration::from_millis(300);
    let (minted, while_minting) = tokio::join!(minters.run(part + 2 * margin), async {
        tokio::time::sleep(margin).await;
        probe(ours.address, part).await
    });
    Ok(KeySetFigures {
        work: "keyset",
        sandboxes: cluster.sandboxes(),
        key_set,
        discovery,
        idle,
        while_minting: while_minting?,
        minted_per_second: minted.map_err(KeySetError::Mint)?.per_second(),
    })
}

async fn start_nginx(
    cluster: &Cluster,
    coordinator: SocketAddr,
) -> Result<Option<Nginx>, KeySetError> {
    let mut documents = Vec::new();
    for path in PATHS {
        let failed = |source| KeySetError::Fetch(path, source);
        let mut connection = Connection::open(&Endpoint::Tcp(coordinator)).map_err(failed)?;
        let body = connection.exchange_ok(&request(path)).map_err(failed)?;
        documents.push((path, body.to_vec()));
    }
    let documents: Vec<_> = documents.iter().map(|(path, body)| (*path, body.as_slice())).collect();
    Nginx::start(&cluster.scratch().join("nginx"), &documents).await.map_err(KeySetError::Nginx)
}

/// Lets both servers take turns.
async fn compare(
    ours: &Server,
    theirs: Option<&Server>,
    path: &'static str,
    duration: Duration,
) -> Result<Comparison, KeySetError> {
    let turn = duration / TURNS / 2;
    let (mut our_turns, mut their_turns) = (Turns::default(), Turns::default());
    for _ in 0..TURNS {
        our_turns.take(ours, path, turn).await?;
        if let Some(theirs) = theirs {
            their_turns.take(theirs, path, turn).await?;
        }
    }
    let reference = theirs.map(|_| Reference {
        what: "nginx",
        per_second: their_turns.sample.per_second(),
        cpu_us: their_turns.cpu_us(),
        p50_ms: Some(p50(&their_turns.sample)),
        p99_ms: Some(p99(&their_turns.sample)),
    });
    let per_second = our_turns.sample.per_second();
    Ok(Comparison {
        ratio: reference.as_ref().and_then(|nginx| per(per_second, nginx.per_second)),
        per_second,
        p50_ms: p50(&our_turns.sample),
        p99_ms: p99(&our_turns.sample),
        cpu_us: our_turns.cpu_us(),
        reference,
    })
}

/// What one server did in all its turns.
#[derive(Default)]
struct Turns {
    sample: Sample,
    cpu: Duration,
}

impl Turns {
    async fn take(
        &mut self,
        server: &Server,
        path: &'static str,
        turn: Duration,
    ) -> Result<(), KeySetError> {
        let before = server.cpu_time()?;
        let sample = load(server.address, path, move |endpoint| {
            closed_loop(&endpoint, CONNECTIONS, turn, &|_| request(path))
        })
        .await?;
        self.cpu += server.cpu_time()?.saturating_sub(before);
        self.sample.append(&sample);
        Ok(())
    }

    fn cpu_us(&self) -> Option<f64> {
        let requests = as_f64(self.sample.latencies.count());
        per(self.cpu.as_secs_f64(), requests).map(|seconds| seconds * 1e6)
    }
}

impl Server {
    fn cpu_time(&self) -> Result<Duration, KeySetError> {
        let times = self.processes.iter().map(|process| process.cpu_time());
        times.sum::<Result<_, _>>().map_err(KeySetError::Process)
    }
}

/// The key set at a low fixed rate.
async fn probe(address: SocketAddr, duration: Duration) -> Result<Latency, KeySetError> {
    let [path, _] = PATHS;
    let sample = load(address, path, move |endpoint| {
        paced(&endpoint, PROBE_CONNECTIONS, PROBE_RATE, duration, &|_| request(path))
    })
    .await?;
    Ok(Latency::of(&sample, PROBE_RATE))
}

async fn load(
    server: SocketAddr,
    path: &'static str,
    run: impl FnOnce(Endpoint) -> Result<Sample, LoadError> + Send + 'static,
) -> Result<Sample, KeySetError> {
    let done = tokio::task::spawn_blocking(move || run(Endpoint::Tcp(server))).await;
    done.map_err(KeySetError::Thread)?.map_err(|source| KeySetError::Load { server, path, source })
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}
