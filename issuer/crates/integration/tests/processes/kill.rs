//! `kill -9` at any moment: what was acknowledged is there (faults F1 and F2 in their short form).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moneyer_proto::v1::ListSandboxesRequest;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::stand::{Stand, place};

/// Registrations after which the coordinator is killed, in each round. Primes, so that the kill falls
/// at different places of the store's groups.
const KILL_AFTER: [u64; 4] = [101, 997, 2003, 4999];

/// Registrations in flight: enough for groups of many commits.
const IN_FLIGHT: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_registration_is_lost() {
    let mut stand = Stand::start().await;
    let _runner = stand.runner("runner-1").await;
    let next = Arc::new(AtomicU64::new(0));
    let mut acknowledged = BTreeSet::new();
    for kill_after in KILL_AFTER {
        let recorded = register_until_killed(&mut stand, &next, kill_after).await;
        assert!(recorded.len() as u64 >= kill_after, "the coordinator was killed too early");
        acknowledged.extend(recorded);
        stand.coordinator = stand.coordinator.restart().await.unwrap();
        let present = all_sandboxes(&stand).await;
        let lost: Vec<_> = acknowledged.difference(&present).collect();
        assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    }
}

/// Registers until the coordinator dies, which it does after `kill_after` acknowledgements. Returns what
/// was acknowledged.
async fn register_until_killed(
    stand: &mut Stand,
    next: &Arc<AtomicU64>,
    kill_after: u64,
) -> BTreeSet<String> {
    let recorded = Arc::new(Mutex::new(BTreeSet::new()));
    let enough = Arc::new(tokio::sync::Notify::new());
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT.div_ceil(32) {
        let client = stand.placement().await;
        for _ in 0..32 {
            let (mut client, next) = (client.clone(), next.clone());
            let (recorded, enough) = (recorded.clone(), enough.clone());
            tasks.spawn(async move {
                loop {
                    let id = format!("web-{:07}", next.fetch_add(1, Ordering::Relaxed));
                    if place(&mut client, &id, "runner-1").await.is_err() {
                        return;
                    }
                    let mut recorded = recorded.lock().await;
                    recorded.insert(id);
                    if recorded.len() as u64 == kill_after {
                        enough.notify_one();
                    }
                }
            });
        }
    }
    enough.notified().await;
    stand.coordinator.kill().await.unwrap();
    while tasks.join_next().await.is_some() {}
    Arc::into_inner(recorded).unwrap().into_inner()
}

pub(crate) async fn all_sandboxes(stand: &Stand) -> BTreeSet<String> {
    let mut client = stand.placement().await;
    let mut present = BTreeSet::new();
    let mut page_token = String::new();
    loop {
        let request = ListSandboxesRequest { page_size: 10_000, page_token, ..Default::default() };
        let page = client.list_sandboxes(request).await.unwrap().into_inner();
        present.extend(page.sandboxes.into_iter().map(|sandbox| sandbox.id));
        if page.next_page_token.is_empty() {
            return present;
        }
        page_token = page.next_page_token;
    }
}
