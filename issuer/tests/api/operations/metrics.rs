//! `GET /metrics`.

use moneyer_daemon::unix_http::Method;

use crate::world::{World, field};

#[tokio::test]
async fn the_text_format_names_every_metric_and_no_sandbox() {
    let world = World::start().await;
    let runner = world.join("runner-secret-name").await;
    world.place("sandbox-secret-name", "runner-secret-name").await;
    let token = runner.mint("sandbox-secret-name", &["https://audience.secret.example"]).await;
    let answer = world.operations(Method::GET, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(field(&answer, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(answer.body).unwrap();
    for name in [
        "moneyer_tokens_minted_total",
        "moneyer_tokens_refused_total{class=\"invalid\"}",
        "moneyer_mint_seconds_count",
        "moneyer_sandboxes",
        "moneyer_store_generation",
        "moneyer_keys{state=\"active\"}",
        "moneyer_x509_svids_signed_total",
        "moneyer_x509_svids_refused_total{class=\"invalid\"}",
        "moneyer_x509_authorities{state=\"active\"}",
        "moneyer_audit_records_total",
        "moneyer_audit_syncs_total",
        "moneyer_audit_failures_total",
        "moneyer_audit_sequence",
        "moneyer_audit_records_per_sync",
        "moneyer_clock_sound 1",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not in\n{text}");
    }
    let signature = token.unwrap().token.rsplit_once('.').unwrap().1.to_owned();
    for secret in ["secret", "sub=", "org:", &signature] {
        assert!(!text.contains(secret), "{secret}");
    }
}
