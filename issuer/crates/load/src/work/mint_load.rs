//! Mint calls over mutually authenticated gRPC, a fixed number in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::{MintTokenRequest, MintTokensRequest, mint_token_result};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::Channel;

use crate::measure::{Histogram, Sample};
use crate::stand::{Membership, MembershipError, sandbox_name};

/// Calls in flight on one connection, below the 100 streams the coordinator takes. A runner proxy has
/// one connection; more stand for more runners.
const STREAMS: usize = 64;

/// A step that visits sandboxes out of order, as runners do: a prime, so that it visits all.
const STRIDE: u64 = 1_000_003;

/// Why minting could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintLoadError {
    /// No connection.
    #[error("the runner cannot connect")]
    Connect(#[source] MembershipError),
    /// The call failed.
    #[error("the coordinator did not mint")]
    Call(#[source] Box<Status>),
    /// One of a batch failed.
    #[error("the coordinator refused one token of a batch: {0}")]
    Refused(String),
    /// A task died.
    #[error("a task of the load generator died")]
    Task(#[source] JoinError),
}

/// What is asked for at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MintLoad {
    /// Calls in flight.
    pub(crate) in_flight: usize,
    /// Tokens a call; more than one goes through `MintTokens`.
    pub(crate) batch: usize,
}

/// A runner ready to ask.
pub(super) struct Minters {
    load: MintLoad,
    channels: Vec<Channel>,
    sandboxes: u64,
    next: Arc<AtomicU64>,
}

impl Minters {
    /// Connects.
    pub(super) async fn connect(
        runner: &Membership,
        load: MintLoad,
        sandboxes: u64,
    ) -> Result<Self, MintLoadError> {
        let channels = runner.connect_many(load.in_flight.div_ceil(STREAMS)).await;
        let channels = channels.map_err(MintLoadError::Connect)?;
        Ok(Self { load, channels, sandboxes, next: Arc::default() })
    }

    /// Mints for `duration` and until the last call has ended. The sample counts calls.
    pub(super) async fn run(&self, duration: Duration) -> Result<Sample, MintLoadError> {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for channel in self.channels.iter().cycle().take(self.load.in_flight) {
            let minter = Minter {
                client: MintingClient::new(channel.clone()),
                batch: self.load.batch,
                sandboxes: self.sandboxes,
                next: Arc::clone(&self.next),
            };
            tasks.spawn(minter.run_until(start + duration));
        }
        let mut latencies = Histogram::default();
        while let Some(done) = tasks.join_next().await {
            latencies.merge(&done.map_err(MintLoadError::Task)??);
        }
        Ok(Sample { latencies, elapsed: start.elapsed() })
    }
}

/// One call at a time.
struct Minter {
    client: MintingClient<Channel>,
    batch: usize,
    sandboxes: u64,
    next: Arc<AtomicU64>,
}

impl Minter {
    async fn run_until(mut self, end: Instant) -> Result<Histogram, MintLoadError> {
        let mut latencies = Histogram::default();
        loop {
            let start = Instant::now();
            if start >= end {
                return Ok(latencies);
            }
            self.call().await?;
            latencies.record(start.elapsed());
        }
    }

    async fn call(&mut self) -> Result<(), MintLoadError> {
        let failed = |status| MintLoadError::Call(Box::new(status));
        if self.batch <= 1 {
            let request = self.request();
            return self.client.mint_token(request).await.map(drop).map_err(failed);
        }
        let requests = (0..self.batch).map(|_| self.request()).collect();
        let answer = self.client.mint_tokens(MintTokensRequest { requests }).await;
        for result in answer.map_err(failed)?.into_inner().results {
            match result.result {
                Some(mint_token_result::Result::Token(_)) => {}
                Some(mint_token_result::Result::Refusal(refusal)) => {
                    return Err(MintLoadError::Refused(refusal.message));
                }
                None => return Err(MintLoadError::Refused("an empty answer".to_owned())),
            }
        }
        Ok(())
    }

    fn request(&self) -> MintTokenRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE);
        let sandbox_id = sandbox_name(number % self.sandboxes.max(1));
        MintTokenRequest { sandbox_id, audience: Vec::new(), lifetime_seconds: 0 }
    }
}
