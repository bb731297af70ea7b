//! Work while faults happen: registrations and minting, both paced, so that some of each is always under
//! way and long runs do not drown in records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moneyer_load::stand::Membership;
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::task::JoinSet;
use tonic::Code;

use crate::recorder::Recorder;
use crate::stand::{Stand, mint, place};

/// Tasks of each kind.
const TASKS: usize = 4;

/// Between two registrations of one task.
const REGISTER_EVERY: Duration = Duration::from_millis(20);

/// Between two tokens of one task.
const MINT_EVERY: Duration = Duration::from_millis(5);

/// How a token is refused.
type Refused = (Code, String);

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
    mint_while(tasks, runner, recorder, (sandbox, |_| false)).await;
}

/// The same through refusals of a coordinator that is there: a token whose key is withdrawn while it is signed does not
/// leave, and the next one has another key.
pub(crate) async fn mint_through_refusals(
    tasks: &mut JoinSet<()>,
    runner: &Membership,
    recorder: &Arc<Recorder>,
    sandbox: &str,
) {
    let is_answer = |refused: &Refused| refused.1 == "no token can be minted at this time";
    mint_while(tasks, runner, recorder, (sandbox, is_answer)).await;
}

async fn mint_while(
    tasks: &mut JoinSet<()>,
    runner: &Membership,
    recorder: &Arc<Recorder>,
    (sandbox, goes_on): (&str, fn(&Refused) -> bool),
) {
    for _ in 0..TASKS {
        let mut client = MintingClient::new(runner.connect().await.unwrap());
        let (recorder, sandbox) = (recorder.clone(), sandbox.to_owned());
        tasks.spawn(async move {
            loop {
                match mint(&mut client, &sandbox).await {
                    Ok(token) => recorder.received(token),
                    Err(refused) if goes_on(&refused) => {}
                    Err(_refused) => return,
                }
                tokio::time::sleep(MINT_EVERY).await;
            }
        });
    }
}
