//! The command itself, as a process beside a running coordinator.

use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::unix_http::Method;
use serde_json::Value;
use tokio::process::Command;

use super::site::DISCOVERY;
use crate::world::{World, json};

/// A coordinator whose issuer is where it really listens, which no cloud would take: plain http, a port.
async fn world() -> World {
    let world = World::with(&[("KEYS__ALGORITHM", "RS256")]).await;
    let ListenAddress::Tcp(address) = world.app.addresses().public else { unreachable!() };
    let body = format!("{{\"issuer\":\"http://{address}\"}}");
    assert_eq!(world.manage(Method::POST, "/issuer/move", &body).await.status, 200);
    // Documents follow a move by themselves, a moment later.
    for _ in 0..500 {
        let served = json(&world.public(Method::GET, DISCOVERY, &[]).await);
        if served["issuer"] == format!("http://{address}") {
            return world;
        }
        tokio::task::yield_now().await;
    }
    panic!("the issuer that was moved to is never served");
}

/// The findings of `moneyer doctor` at this coordinator, as `id severity`, and its exit code.
async fn diagnosed(world: &World) -> (Vec<String>, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moneyer"));
    command.arg("--socket").arg(world.directory.path().join("management.sock"));
    command.args(["--output", "json", "doctor"]).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let told = findings.map(|it| format!("{} {}", text(it, "id"), text(it, "severity")));
    (told.collect(), output.status.code())
}

fn bad(told: &[String]) -> Vec<&str> {
    let bad = told.iter().filter(|told| told.ends_with(" failure") || told.ends_with(" warning"));
    bad.map(String::as_str).collect()
}

#[tokio::test]
async fn a_coordinators_own_word_is_held_against_what_is_public() {
    let world = world().await;
    let expected = ["https failure", "port failure", "private-address warning", "jwks-uri failure"];
    let (told, exit) = diagnosed(&world).await;
    assert_eq!((bad(&told), exit), (expected.to_vec(), Some(76)), "{told:#?}");
    for skipped in ["token skipped", "subject-length skipped"] {
        assert!(told.iter().any(|told| told == skipped), "{skipped}: there is no sandbox");
    }

    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let (told, _) = diagnosed(&world).await;
    assert_eq!(bad(&told), expected);
    for ok in ["active-key ok", "prepared-key ok", "subject-length ok", "token ok", "cache ok"] {
        assert!(told.iter().any(|told| told == ok), "{ok}: {told:#?}");
    }

    // A limited app has no token for the default audience.
    let limited = r#"{"audiences":["https://vault.example.com"]}"#;
    assert_eq!(world.manage(Method::PUT, "/apps/web", limited).await.status, 200);
    let (told, _) = diagnosed(&world).await;
    assert!(told.iter().any(|told| told == "token ok"), "{told:#?}");
}
