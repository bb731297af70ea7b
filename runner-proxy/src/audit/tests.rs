//! What is recorded, how much of it, and what its page says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::UnixTime;
use moneyer_identity::grant::Destination;
use moneyer_recording::AuditError;
use serde_json::{Value, json};

use super::event::{AskedFor, Event, Forwarded, Record};
use super::{EndpointName, GrantAudit, Word};
use crate::fakes::{FakeLines, HandClock, sandbox};
use crate::forward::rule;
use crate::grant::{GrantError, key};

const NOT_NAMED: Word = Word { class: "denied", reason: "not_named" };

fn host(number: usize) -> Destination {
    Destination::parse(&format!("h{number}.evil.test"), 443).unwrap()
}

fn counted() -> (Arc<FakeLines>, GrantAudit, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let (lines, audit) = FakeLines::audit_by(Arc::clone(&clock) as _);
    (lines, audit, clock)
}

#[tokio::test]
async fn ten_thousand_hosts_of_a_hostile_sandbox_are_two_records_a_minute() {
    let (lines, audit, clock) = counted();
    let hostile = sandbox("hostile");
    for number in 0..10_000 {
        audit.refused(&hostile, Some(&host(number)), None, NOT_NAMED);
    }
    assert_eq!(lines.all("destination"), ["h0.evil.test:443"]);
    audit.settle(false);
    assert_eq!(lines.kept().len(), 1, "its minute is not over");
    clock.advance(60);
    audit.settle(false);
    assert_eq!(lines.all("count"), [1, 9999]);
    let last = lines.kept().pop().unwrap();
    let expected = json!({
        "time": 60, "who": "sandbox:hostile", "decision": "refused", "event": "forward_refused",
        "sandbox": "hostile", "class": "denied", "reason": "not_named", "count": 9999,
    });
    assert_eq!(last, expected, "no host of its own choosing is told with the count");
}

#[tokio::test]
async fn of_endpoints_and_reasons_ten_are_told_apart_and_the_rest_is_counted_by_reason() {
    let (lines, audit, clock) = counted();
    let refuse = |port: u16| {
        audit.refused(
            &sandbox("s"),
            Some(&host(1)),
            Some(&EndpointName::of(&rule(port))),
            NOT_NAMED,
        );
    };
    (1..=12).for_each(&refuse);
    (1..=12).for_each(&refuse);
    assert_eq!(lines.kept().len(), 10);
    // The tokens of the same sandbox are counted by themselves.
    audit.not_granted(&key("http://localhost:1/"), &GrantError::CutOff);
    assert_eq!(lines.kept().len(), 11);
    clock.advance(59);
    audit.settle(false);
    assert_eq!(lines.kept().len(), 11);
    clock.advance(1);
    refuse(1);
    assert_eq!(
        lines.kept().len(),
        11 + 11 + 1,
        "the next minute begins with the counts of the last"
    );
    let counts: u64 = lines.all("count").iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counts, 12 + 12 + 1 + 1);
    let unnamed = lines.kept().into_iter().filter(|record| record["endpoint"].is_null());
    let unnamed: Vec<_> = unnamed.filter(|record| record["event"] == "forward_refused").collect();
    assert_eq!((unnamed.len(), &unnamed[0]["count"]), (1, &json!(4)));
    clock.advance(-3600);
    audit.settle(false);
    refuse(1);
    assert_eq!(lines.kept().len(), 11 + 11 + 2, "a clock that is set back ends a minute");
}

#[tokio::test]
async fn counts_wait_for_a_log_that_cannot_be_written_and_none_is_lost() {
    let (lines, audit, clock) = counted();
    lines.fail(true);
    for number in 0..7 {
        audit.refused(&sandbox("s"), Some(&host(number)), None, NOT_NAMED);
    }
    clock.advance(60);
    audit.settle(false);
    audit.settle(true);
    assert_eq!(lines.kept().len(), 0);
    lines.fail(false);
    audit.settle(false);
    assert_eq!(lines.all("count"), [7]);
    audit.settle(true);
    assert_eq!(lines.kept().len(), 1, "once");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_holds_nobody_longer_than_a_second() {
    let (lines, audit) = FakeLines::audit();
    lines.hang(true);
    let key = key("http://localhost:1/");
    let begun = tokio::time::Instant::now();
    let recorded = audit.granted(&key, Duration::from_secs(300), &host(1)).await;
    assert!(matches!(recorded, Err(AuditError::Slow)), "{recorded:?}");
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn a_record_has_every_name_and_nothing_of_a_token_endpoints_query() {
    let (lines, audit, _) = counted();
    let key = key("http://localhost:1/token?secret=canary");
    audit.granted(&key, Duration::from_secs(300), &host(1)).await.unwrap();
    let expected = json!({
        "time": 0, "who": "sandbox:s", "decision": "allowed", "event": "token_granted",
        "sandbox": "s", "app": "web", "provider": "demo", "credential": "token",
        "grant_type": "client_credentials", "token_endpoint": "http://localhost:1/token", "svid_audience": "http://localhost:1/token",
        "audience": "alpha", "scopes": ["alpha", "beta"], "revision": "1",
        "destination": "h1.evil.test:443", "exp": 300,
    });
    assert_eq!(lines.kept(), [expected]);
}

fn samples() -> Vec<Event> {
    let (key, word) = (key("http://localhost:1/"), NOT_NAMED);
    let forwarded = || Forwarded::first(Some(&host(1)), Some(&EndpointName::of(&rule(443))), word);
    let Word { class, reason } = word;
    let (asked, destination) = (AskedFor::of(&key), "a:1".to_owned());
    vec![
        Event::TokenGranted { asked: asked.clone(), destination, exp: UnixTime(1) },
        Event::TokenNotGranted { asked: Some(asked), class, reason, count: 1 },
        Event::ForwardRefused(forwarded()),
        Event::ForwardAudited(forwarded()),
    ]
}

#[test]
fn every_event_and_field_is_on_the_page() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.md");
    let page = std::fs::read_to_string(path).unwrap();
    let table = page.split("\n## The log of a runner host\n").nth(1).unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .skip_while(|line| !line.starts_with("| Event |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), Event::NAMES.len());
    let common = ["time", "who", "decision", "sandbox", "event"].map(str::to_owned);
    for ((row, what), name) in rows.iter().zip(samples()).zip(Event::NAMES) {
        assert_eq!(row[1], format!("`{name}`"));
        let told = row[3].split(' ').map(|field| field.trim_matches(['[', ']', '`']).to_owned());
        let told: BTreeSet<_> = told.chain(common.clone()).collect();
        let record = Record::new(UnixTime(1), &sandbox("s"), what);
        let Value::Object(fields) = serde_json::to_value(record).unwrap() else {
            panic!("no object")
        };
        assert_eq!(fields["event"], name);
        assert_eq!(told, fields.keys().cloned().collect(), "{name}");
    }
}
