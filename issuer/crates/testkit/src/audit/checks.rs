//! Recording, order, places, reopening.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]
#![expect(clippy::expect_used, reason = "a check fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a check fails by panicking")]

use moneyer_authority::audit::{Actor, Audit, AuditError, AuditEvent, Event, Sequence};
use moneyer_identity::{SandboxId, UnixTime};
use serde_json::Value;

use super::{Backend, samples};

/// The removal of a sandbox of this id.
fn removal(id: &str) -> AuditEvent {
    let sandbox = SandboxId::parse(id).expect("an id");
    AuditEvent::new(UnixTime(1), Actor::System, Event::SandboxRemoved { sandbox })
}

async fn durable(log: &dyn Audit, events: Vec<AuditEvent>) -> Sequence {
    log.record(events).expect("it is taken").durable().await.expect("it is durable")
}

fn sandboxes(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["sandbox"].as_str().expect("a sandbox")).collect()
}

fn places(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["seq"].as_u64().expect("a place")).collect()
}

/// Once it is said to be durable it is there, with its time, its actor and its decision.
pub async fn a_durable_record_can_be_read<B: Backend>(backend: &B) {
    let log = backend.open().await;
    log.health().expect("an empty log is healthy");
    assert_eq!(durable(&*log, vec![removal("a")]).await, Sequence(1));
    let records = backend.read();
    assert_eq!(sandboxes(&records), ["a"]);
    assert_eq!(records[0]["time"], 1);
    assert_eq!(records[0]["who"], "system");
    assert_eq!(records[0]["event"], "sandbox_removed");
    assert_eq!(records[0]["decision"], "allowed");
    backend.close(log).await;
}

/// A batch is in one piece and in its order; the answer is the place of its first.
pub async fn events_told_together_stand_together<B: Backend>(backend: &B) {
    let log = backend.open().await;
    assert_eq!(durable(&*log, vec![removal("a"), removal("b")]).await, Sequence(1));
    assert_eq!(durable(&*log, vec![removal("c")]).await, Sequence(3));
    let records = backend.read();
    assert_eq!(sandboxes(&records), ["a", "b", "c"]);
    assert_eq!(places(&records), [1, 2, 3]);
    backend.close(log).await;
}

/// Every event of the closed list has its name in the field `event`.
pub async fn every_kind_of_event_is_one_record<B: Backend>(backend: &B) {
    let log = backend.open().await;
    for what in samples() {
        durable(&*log, vec![AuditEvent::new(UnixTime(1), Actor::System, what)]).await;
    }
    let records = backend.read();
    let names: Vec<_> = records.iter().map(|record| record["event"].as_str()).collect();
    assert_eq!(names, Event::NAMES.map(Some));
    backend.close(log).await;
}

/// Line ends, quotes and control characters in a text do not end the record.
pub async fn odd_text_stays_in_its_record<B: Backend>(backend: &B) {
    let log = backend.open().await;
    let odd = "a\nb\r\"c\\\u{0}\u{1b}[2J\u{2028}\u{1f600}\",\"prev\":\"";
    let what = Event::StoreRekeyed { kek: odd.to_owned() };
    durable(&*log, vec![AuditEvent::new(UnixTime(1), Actor::System, what)]).await;
    durable(&*log, vec![removal("after")]).await;
    let records = backend.read();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["kek"], odd);
    backend.close(log).await;
}

/// A recording that is dropped is made, before those after it.
pub async fn nobody_has_to_wait<B: Backend>(backend: &B) {
    let log = backend.open().await;
    drop(log.record(vec![removal("a")]).expect("it is taken"));
    durable(&*log, vec![removal("b")]).await;
    assert_eq!(sandboxes(&backend.read()), ["a", "b"]);
    backend.close(log).await;
}

/// What has no event has no record, so it must not happen.
pub async fn nothing_is_no_record<B: Backend>(backend: &B) {
    let log = backend.open().await;
    assert!(matches!(log.record(Vec::new()), Err(AuditError::Encode(_))));
    assert_eq!(durable(&*log, vec![removal("a")]).await, Sequence(1));
    assert_eq!(backend.read().len(), 1);
    backend.close(log).await;
}

/// However many record at once: every record is there once, places have no gap.
pub async fn no_two_records_share_a_place<B: Backend>(backend: &B) {
    let log = backend.open().await;
    let mut tasks = Vec::new();
    for task in 0..16 {
        let log = log.clone();
        tasks.push(tokio::spawn(async move {
            let mut given = Vec::new();
            for round in 0..25 {
                let id = format!("s-{task}-{round}");
                given.push((durable(&*log, vec![removal(&id)]).await, id));
            }
            given
        }));
    }
    let records_of = |records: &[Value], sequence: Sequence| {
        let at = usize::try_from(sequence.0 - 1).expect("a place");
        records[at]["sandbox"].as_str().map(str::to_owned)
    };
    for task in tasks {
        let given = task.await.expect("the task ends");
        let records = backend.read();
        for (sequence, id) in given {
            assert_eq!(records_of(&records, sequence).as_deref(), Some(&*id));
        }
    }
    let expected: Vec<u64> = (1..=400).collect();
    assert_eq!(places(&backend.read()), expected);
    backend.close(log).await;
}

/// Places go on where they ended.
pub async fn the_log_goes_on_after_reopening<B: Backend>(backend: &B) {
    for (round, id) in ["a", "b", "c"].into_iter().enumerate() {
        let log = backend.open().await;
        assert_eq!(durable(&*log, vec![removal(id)]).await, Sequence(round as u64 + 1));
        backend.close(log).await;
    }
    assert_eq!(sandboxes(&backend.read()), ["a", "b", "c"]);
}

/// Closing loses nothing that was taken.
pub async fn what_waits_when_it_closes_is_recorded<B: Backend>(backend: &B) {
    let log = backend.open().await;
    for _ in 0..100 {
        drop(log.record(vec![removal("a")]).expect("it is taken"));
    }
    backend.close(log).await;
    assert_eq!(backend.read().len(), 100);
}
