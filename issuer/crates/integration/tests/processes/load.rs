//! Work while faults happen: registrations and minting, both paced, so that some of each is always under
//! way and long runs do not drown in records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moneyer_load::stand::Membership;
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::task::JoinSet;

use crate::recorder::Recorder;
use crate::stand::{Stand, mint, place};

/// Tasks of each kind.
const TASKS: usize = 4;

/// Between two registrations of one task.
const REGISTER_EVERY: Duration = Duration::from_millis(20);

/// Between two tokens of one task.
const MINT_EVERY: Duration = Duration::from_millis(5);

/// Registers sandboxes of `runner-1` until the first refusal, beginning at `next`.
pub(crate) async fn register(
    tasks: &mut JoinSet<()>,
    stand: &Stand,
    recorder: &Arc<Recorder>,
    next: &Arc<AtomicU64>,
) {
    for _ in 0..TASKS {
        let mut client = stand.placement().await;
        let (recorder, next) = (recorder.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let id = format!("web-{:07}", next.fetch_add(1, Ordering::Relaxed));
                if place(&mut client, &id, "runner-1").await.is_err() {
                    return;
                }
                recorder.acknowledged(id);
                tokio::time::sleep(REGISTER_EVERY).await;
            }
        });
    }
}

/// Mints for `sandbox` until the first refusal.
pub(crate) async fn mint_for(
    tasks: &mut JoinSet<()>,
    runner: &Membership,
    recorder: &Arc<Recorder>,
    sandbox: &str,
) {
    for _ in 0..TASKS {
        let mut client = MintingClient::new(runner.connect().await.unwrap());
        let (recorder, sandbox) = (recorder.clone(), sandbox.to_owned());
        tasks.spawn(async move {
            while let Ok(token) = mint(&mut client, &sandbox).await {
                recorder.received(token);
                tokio::time::sleep(MINT_EVERY).await;
            }
        });
    }
}
