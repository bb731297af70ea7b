//! What a report consists of, and the run that makes it.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use moneyer_identity::{Clock as _, SystemClock, UnixTime};
use serde::Serialize;

use super::machine::Machine;
use crate::measure::{RawSignature, RawSignatureError, busy_part};
use crate::stand::{Binaries, Cluster, ClusterError, Footing};
use crate::work::{
    KeySetError, KeySetFigures, MintError, MintFigures, MintLoad, TokenServerError,
    TokenServerFigures, measure_key_set, measure_mint, measure_token_server,
};

/// One token a call with 1, 64 and 256 calls in flight, and batches of 64.
const MINT_LOADS: [MintLoad; 4] = [
    MintLoad { in_flight: 1, batch: 1 },
    MintLoad { in_flight: 64, batch: 1 },
    MintLoad { in_flight: 256, batch: 1 },
    MintLoad { in_flight: 4, batch: 64 },
];

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// No yardstick.
    #[error("raw signatures failed")]
    RawSignature(#[source] RawSignatureError),
    /// Nothing to load.
    #[error("{0} sandboxes cannot be measured")]
    Cluster(u64, #[source] ClusterError),
    /// Minting failed.
    #[error("minting with {0} sandboxes cannot be measured")]
    Mint(u64, #[source] MintError),
    /// Fetching failed.
    #[error("the key set with {0} sandboxes cannot be measured")]
    KeySet(u64, #[source] KeySetError),
    /// The token server failed.
    #[error("the token server with {0} sandboxes cannot be measured")]
    TokenServer(u64, #[source] TokenServerError),
    /// A file could not be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] std::io::Error),
}

/// What is to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Numbers of registered sandboxes.
    pub(crate) sandboxes: Vec<u64>,
    /// Two seconds for each figure instead of ten.
    pub(crate) quick: bool,
}

/// All figures of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// When it was made.
    pub(super) made_at: UnixTime,
    /// Seconds for each figure.
    pub(super) seconds: u64,
    /// Where.
    pub(super) machine: Machine,
    /// The figures for each number of sandboxes.
    pub(super) sizes: Vec<Size>,
}

/// The figures for one number of sandboxes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Size {
    /// The part of the cores' time that other work took before the measurement.
    pub(super) busy_part: Option<f64>,
    pub(super) footing: Footing,
    pub(super) mints: Vec<MintFigures>,
    pub(super) key_set: KeySetFigures,
    pub(super) token_server: TokenServerFigures,
}

impl Plan {
    /// Measures.
    pub(crate) async fn run(&self, binaries: &Binaries) -> Result<Report, ReportError> {
        let seconds = if self.quick { 2 } else { 10 };
        let yardstick = RawSignature::generate().map_err(ReportError::RawSignature)?;
        let mut sizes = Vec::with_capacity(self.sandboxes.len());
        for count in &self.sandboxes {
            let duration = Duration::from_secs(seconds);
            sizes.push(measure_size(binaries, &yardstick, *count, duration).await?);
        }
        Ok(Report { made_at: SystemClock.now(), seconds, machine: Machine::this(), sizes })
    }
}

async fn measure_size(
    binaries: &Binaries,
    yardstick: &RawSignature,
    count: u64,
    duration: Duration,
) -> Result<Size, ReportError> {
    let broken = |source| ReportError::Cluster(count, source);
    let busy_part = busy_part().await;
    say(&format!("registering sandboxes: {count}"));
    let cluster = Cluster::start(binaries, count).await.map_err(broken)?;
    let footing = cluster.footing().map_err(broken)?;
    let mut mints = Vec::with_capacity(MINT_LOADS.len());
    for load in MINT_LOADS {
        say(&format!("minting, {} in flight, {} a call", load.in_flight, load.batch));
        let figures = measure_mint(&cluster, yardstick, load, duration).await;
        mints.push(figures.map_err(|source| ReportError::Mint(count, source))?);
    }
    say("fetching key set and discovery");
    let key_set = measure_key_set(&cluster, duration * 2).await;
    let key_set = key_set.map_err(|source| ReportError::KeySet(count, source))?;
    say("asking a runner proxy for tokens");
    let token_server = measure_token_server(&cluster, yardstick, duration).await;
    let token_server = token_server.map_err(|source| ReportError::TokenServer(count, source))?;
    cluster.stop().await.map_err(broken)?;
    Ok(Size { busy_part, footing, mints, key_set, token_server })
}

/// Progress, on standard error.
pub(crate) fn say(text: &str) {
    // Nobody may be reading; the figures are what counts.
    writeln!(std::io::stderr(), "{text}").ok();
}
