//! `GET /` and `GET /status.json`: how it stands, for people and for programs.

use std::time::Duration;

use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_identity::ClockFault;
use moneyer_proto::v1;
use moneyer_testkit::FixtureKey;
use serde_json::{Value, json};

use crate::member::Member;
use crate::world::{World, field, json};

async fn page(world: &World) -> String {
    let answer = world.operations(Method::GET, "/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(field(&answer, "content-type"), "text/html; charset=utf-8");
    is_guarded(&answer);
    String::from_utf8(answer.body).unwrap()
}

async fn view(world: &World) -> Value {
    let answer = world.operations(Method::GET, "/status.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(field(&answer, "content-type"), "application/json");
    is_guarded(&answer);
    json(&answer)
}

fn is_guarded(answer: &Answer) {
    assert_eq!(field(answer, "cache-control"), "no-store");
    assert_eq!(field(answer, "x-content-type-options"), "nosniff");
    assert_eq!(field(answer, "referrer-policy"), "no-referrer");
    let policy = field(answer, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// Follows its sandboxes, as a runner does; for as long as the stream is kept.
async fn follow(runner: &Member) -> tonic::Streaming<v1::WatchSandboxesResponse> {
    let request = v1::WatchSandboxesRequest::default();
    let mut stream = runner.minting().watch_sandboxes(request).await.unwrap().into_inner();
    stream.message().await.unwrap();
    stream
}

fn sentences(view: &Value) -> Vec<&str> {
    let findings = view["verdict"]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_good_day_is_told_in_one_sentence_and_names_no_sandbox() {
    let world = World::start().await;
    let runner = world.join("runner-1").await;
    let _stream = follow(&runner).await;
    world.place("sandbox-xyzzy-name", "runner-1").await;
    let token = runner.mint("sandbox-xyzzy-name", &["https://audience.xyzzy.example"]).await;
    runner.mint("nobody-xyzzy-name", &[]).await.unwrap_err();

    let view = view(&world).await;
    let key_id = world.authority().keys().ring().keys()[0].record.key_id.as_str().to_owned();
    assert_eq!(view["verdict"]["state"], "good", "{view:#}");
    assert_eq!(view["verdict"]["findings"], json!([]));
    assert_eq!(view["issuer"]["url"], "https://id.example.com");
    let [key] = view["keys"].as_array().unwrap().as_slice() else { panic!("{view:#}") };
    assert_eq!((&key["key_id"], &key["state"]), (&json!(key_id), &json!("active")));
    let now = world.authority().now().0;
    let day = 24 * 3600;
    assert_eq!(key["turn_at"], now + 30 * day);
    assert_eq!(key["sign_until"], now + 33 * day);
    assert_eq!(key["gone_at"], now + 34 * day + 300, "a day's tokens, and clocks that differ");
    assert_eq!(view["rotations"][0]["step"], "prepare");
    assert_eq!(view["rotations"][0]["signs_at"], now + 30 * day);
    let five = &view["tokens"]["spans"][0];
    assert_eq!(*five, json!({ "minutes": 5, "minted": 1, "refused": { "not_found": 1 } }));
    assert_eq!(view["sandboxes"], 1);
    let runners = &view["runners"];
    assert_eq!((&runners["joined"], &runners["connected"]), (&json!(1), &json!(1)));

    let page = page(&world).await;
    for text in [
        "<h1>All is well: tokens are minted, and relying parties can verify them.</h1>",
        &format!("{key_id}</code>"),
        "https://id.example.com",
        "<caption>When each key does what</caption>",
        "<time datetime=\"",
        "runner-1",
        "refused: not found",
        "None since the start.",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    let signature = token.unwrap().token.rsplit_once('.').unwrap().1.to_owned();
    for shown in [page, view.to_string()] {
        for secret in ["xyzzy", "org:", "web", &signature] {
            assert!(!shown.contains(secret), "{secret} is in\n{shown}");
        }
    }
}

#[tokio::test]
async fn a_wrong_clock_is_said_with_what_to_do_and_goes_by_itself() {
    let world = World::start().await;
    world.clock.fail(Some(ClockFault::Jumped { by: Duration::from_secs(31), forward: true }));
    let failing = page(&world).await;
    assert!(failing.contains("<title>Failing · id.example.com · Moneyer</title>"), "{failing}");
    assert!(failing.contains("<h1>The clock of this machine is wrong: no token is minted"));
    assert!(failing.contains("<code>moneyer clock show</code>"));
    assert!(failing.contains("class=\"verdict failing\""));
    world.clock.fail(None);
    assert!(page(&world).await.contains("<title>Good · id.example.com · Moneyer</title>"));
}

#[tokio::test]
async fn a_runner_that_is_away_or_whose_certificate_ends_is_named() {
    let world = World::start().await;
    let runner = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let stream = follow(&runner).await;
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(view(&world).await["verdict"]["state"], "good");
    drop(stream);
    let mut away = Value::Null;
    for _ in 0..500 {
        away = view(&world).await;
        if away["verdict"]["state"] != "good" {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(sentences(&away), ["There is no connection from runner runner-1."]);
    assert_eq!(away["verdict"]["state"], "attention");
    // A certificate lives a day; with a fifth of it left it was to be renewed long ago.
    for (hours, state) in [(20, "ends soon"), (24, "ended")] {
        let world = World::start().await;
        world.join("runner-1").await;
        world.clock.advance(Duration::from_secs(hours * 3600));
        let said = format!("The certificate of runner runner-1 {state}.");
        assert_eq!(sentences(&view(&world).await), [said.as_str()]);
        assert!(page(&world).await.contains(&said));
    }
}

#[tokio::test]
async fn runners_that_were_just_left_alone_by_a_start_may_come_back() {
    let world = World::start().await;
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    assert_eq!(view(&world).await["verdict"]["state"], "good");
}

#[tokio::test]
async fn a_previous_issuer_is_named_with_its_end() {
    let world = World::start().await;
    let body = r#"{"issuer":"https://new.example.com"}"#;
    assert_eq!(world.manage(Method::POST, "/issuer/move", body).await.status, 200);
    let view = view(&world).await;
    assert_eq!(view["issuer"]["url"], "https://new.example.com");
    let previous = &view["issuer"]["previous"][0];
    assert_eq!(previous["url"], "https://id.example.com");
    assert_eq!(previous["until"], world.authority().now().0 + 25 * 3600);
    let page = page(&world).await;
    assert!(page.contains("before: https://id.example.com, served and verified until"), "{page}");
}

#[tokio::test]
async fn a_key_that_another_issuer_named_is_text_on_the_page() {
    let world = World::start().await;
    let kid = "<script>alert(1)</script>";
    let mut jwk = serde_json::to_value(FixtureKey::ED25519_A.verifying_key().jwk()).unwrap();
    jwk["kid"] = kid.into();
    let body = json!({ "keys": [jwk], "dry_run": false }).to_string();
    assert_eq!(world.manage(Method::POST, "/keys/import", &body).await.status, 200);
    assert_eq!(view(&world).await["keys"][1]["key_id"], kid);
    let page = page(&world).await;
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(!page.contains("<script"), "{page}");
}

#[tokio::test]
async fn it_is_only_read() {
    let world = World::start().await;
    for path in ["/", "/status.json"] {
        let head = world.operations(Method::HEAD, path).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        is_guarded(&head);
    }
}

#[tokio::test]
async fn each_line_of_keys_has_its_next_change() {
    let world = World::with(&[("KEYS__SECOND_ALGORITHM", "RS256")]).await;
    let view = view(&world).await;
    let lines: Vec<_> = view["rotations"].as_array().unwrap().iter().collect();
    let named = |at: usize| (&lines[at]["line"], &lines[at]["algorithm"]);
    assert_eq!(named(0), (&json!("primary"), &json!("ES256")));
    assert_eq!(named(1), (&json!("second"), &json!("RS256")));
    let page = page(&world).await;
    for sentence in ["ES256: The next key is made", "RS256: The next key is made"] {
        assert!(page.contains(sentence), "{page}");
    }
}
