//! P5 and P11 over the sockets: a log that cannot be written stops minting and changes and nothing else,
//! and what is in it is no secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use moneyer_audit::{Head, Records, verify};
use moneyer_authority::enrollment::Principal;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::RunnerId;
use moneyer_proto::v1;
use serde_json::Value;
use tokio::time::Instant;
use tonic::Code;

use crate::member::mint_request;
use crate::world::{World, json, problem};

fn audit(world: &World) -> PathBuf {
    world.directory.path().join("audit")
}

fn records(directory: &Path) -> Vec<Value> {
    let records = Records::of(directory).unwrap();
    records.map(|record| serde_json::from_slice(&record.unwrap().bytes).unwrap()).collect()
}

fn put_app(name: &str) -> v1::PutAppRequest {
    let (audiences, uid) = (Vec::new(), String::new());
    v1::PutAppRequest {
        app: Some(v1::App { name: name.to_owned(), audiences, uid, ..v1::App::default() }),
    }
}

#[tokio::test]
async fn p5_a_log_that_is_gone_stops_minting_and_changes_and_nothing_else_until_it_is_back() {
    let world = World::start().await;
    let runner = world.join("runner-1").await;
    let controller = world.join_controller("scheduler").await;
    world.place("web-1", "runner-1").await;
    let mut minted = vec![runner.mint("web-1", &[]).await.unwrap().token_id];
    let away = world.directory.path().join("away");
    std::fs::rename(audit(&world), &away).unwrap();

    for _ in 0..3 {
        let refused = runner.mint("web-1", &[]).await.unwrap_err();
        let told = (refused.code(), refused.message());
        assert_eq!(told, (Code::Unavailable, "no token can be minted at this time"));
    }
    let refused = controller.placement().put_app(put_app("other")).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unavailable, "the change could not be made")
    );
    let refused = world.manage(Method::PUT, "/apps/other", "{}").await;
    assert!(problem(&refused, 503).contains("audit log"));
    let refused = world.manage(Method::POST, "/sandboxes/web-1/token", "{}").await;
    assert_eq!(problem(&refused, 503), "no token can be minted at this time");
    problem(&world.manage(Method::GET, "/apps/other", "").await, 404);

    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        assert_eq!(world.public(Method::GET, path, &[]).await.status, 200, "{path}");
    }
    let ready = world.operations(Method::GET, "/readyz").await;
    assert_eq!(ready.status, 503);
    let check = &json(&ready)["checks"][2];
    assert_eq!((&check["name"], &check["ok"]), (&"audit".into(), &false.into()));
    let told = check["problem"].as_str().unwrap();
    assert!(told.starts_with("the audit log cannot be written: "), "{told}");

    std::fs::rename(&away, audit(&world)).unwrap();
    let since = Instant::now();
    while world.operations(Method::GET, "/readyz").await.status != 200 {
        assert!(since.elapsed() < Duration::from_secs(20), "minting does not resume");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    minted.push(runner.mint("web-1", &[]).await.unwrap().token_id);
    controller.placement().put_app(put_app("other")).await.unwrap();
    let directory = audit(&world);
    world.app.stop().await;
    verify(&directory, Head::default(), None, &mut |_| {}).unwrap();
    let records = records(&directory);
    let jti = |record: &Value| Some(record["jti"].as_str()?.to_owned());
    let recorded: Vec<_> = records.iter().filter_map(jti).collect();
    assert_eq!(recorded, minted, "every token that left, and no other");
}

#[tokio::test]
async fn p11_no_byte_of_a_token_is_in_the_log_and_every_caller_is() {
    let world = World::start().await;
    let runner = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let invited = world.invite(Principal::Runner(RunnerId::parse("runner-2").unwrap())).await;
    let mut secrets = vec![invited];
    for audience in ["moneyer", "sts.amazonaws.com"] {
        secrets.push(runner.mint("web-1", &[audience]).await.unwrap().token);
    }
    runner.mint("other", &[]).await.unwrap_err();
    runner.mint("not an id", &[]).await.unwrap_err();
    let batch = vec![mint_request("web-1", &[], 0), mint_request("web-1", &[], 5)];
    runner.minting().mint_tokens(v1::MintTokensRequest { requests: batch }).await.unwrap();
    let minted = world.manage(Method::POST, "/sandboxes/web-1/token", "{}").await;
    secrets.push(json(&minted)["token"].as_str().unwrap().to_owned());
    let directory = audit(&world);
    world.app.stop().await;

    let mut text = String::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        text.push_str(&String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()));
    }
    for secret in secrets.iter().flat_map(|secret| secret.split('.')) {
        // `mjt1` is what every join token begins with.
        assert!(secret.len() < 5 || !text.contains(secret), "{secret}");
    }
    let records = records(&directory);
    let of = |event: &str| records.iter().filter(|record| record["event"] == event).count();
    assert_eq!((of("token_minted"), of("token_refused"), of("member_joined")), (4, 3, 1));
    let whos: std::collections::BTreeSet<_> =
        records.iter().map(|record| record["who"].as_str().unwrap()).collect();
    let uid = format!("operator:uid:{}", rustix::process::geteuid().as_raw());
    assert!(whos.contains("runner:runner-1") && whos.contains(&*uid), "{whos:?}");
}
