//! How often an API server is asked, and about what.

use std::sync::Arc;

use futures_util::future::join_all;
use moneyer_daemon::unix_http::Method;
use serde_json::json;
use tokio::sync::Notify;

use super::{Fault, MODES, Scene, eventually};
use crate::world::{field, json as read};

#[tokio::test]
async fn garbage_never_reaches_the_api_server() {
    let scene = Scene::new("both").await;
    let good = scene.token();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    let other = moneyer_testkit::ForeignIssuer::new("cluster.example", "k1");
    let header = json!({ "alg": "ES256", "kid": "k1" }).to_string();
    let unknown = json!({ "alg": "ES256", "kid": "k9" }).to_string();
    let claims = json!({
        "iss": crate::exchange::CLUSTER, "sub": "system:serviceaccount:ns1:sa1", "aud": ["moneyer"],
        "exp": scene.world.authority().now().0 + 600,
    });
    for (what, garbage) in [
        ("nothing like a token", "garbage".to_owned()),
        ("long", "x".repeat(8 * 1024 + 1)),
        ("three parts", "a.b.c".to_owned()),
        ("cut off", input.to_owned()),
        ("another signature", format!("{input}.{reversed}")),
        ("another key", other.signed(&header, &claims.to_string())),
        ("a key that nobody knows", other.signed(&unknown, &claims.to_string())),
        ("another issuer", scene.forged(&json!({ "iss": "https://other.example" }))),
        ("another audience", scene.forged(&json!({ "aud": ["other"] }))),
        ("no audience", scene.forged(&json!({ "aud": null }))),
        ("over", scene.forged(&json!({ "exp": 1 }))),
        ("without an end", scene.forged(&json!({ "exp": null }))),
        ("not yet", scene.forged(&json!({ "nbf": 9_999_999_999_i64 }))),
        ("a user", scene.forged(&json!({ "sub": "admin" }))),
        ("a node", scene.forged(&json!({ "sub": "system:node:n1" }))),
    ] {
        assert_eq!(scene.status(&garbage).await, 400, "{what}");
    }
    assert_eq!(scene.server.came(), 0);
    assert_eq!(scene.status(&good).await, 200);
    assert_eq!(scene.server.came(), 1);
}

#[tokio::test]
async fn without_a_key_set_what_is_wrong_by_itself_is_not_asked_about() {
    let scene = Scene::new("tokenreview").await;
    for garbage in [
        "garbage".to_owned(),
        scene.forged(&json!({ "aud": ["other"] })),
        scene.forged(&json!({ "exp": 1 })),
        scene.forged(&json!({ "sub": "admin" })),
        scene.forged(&json!({ "iss": "https://other.example" })),
    ] {
        assert_eq!(scene.status(&garbage).await, 400);
    }
    assert_eq!(scene.server.came(), 0);
    // A signature is nothing that could be looked at here.
    let forged = scene.forged(&json!({}));
    assert_eq!(scene.status(&forged).await, 400);
    assert_eq!(scene.status(&forged).await, 400);
    assert_eq!(scene.server.came(), 1, "a refusal is remembered too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_show_one_token_at_once_cause_one_question() {
    moneyer_daemon::lifecycle::raise_descriptor_limit();
    let limits = "[limits]\nclient_exchanges_per_second = 1000\nconnections_per_address = 2000";
    for verify in MODES {
        let scene = Scene::with(verify, "", limits).await;
        let token = scene.token();
        let answers = join_all((0..1000).map(|_| scene.status(&token))).await;
        let others: Vec<_> = answers.into_iter().filter(|status| *status != 200).collect();
        assert!(others.is_empty(), "{verify}: {others:?}");
        assert_eq!((scene.server.came(), scene.model.reviews()), (1, 1), "{verify}");
    }
}

#[tokio::test]
async fn whoever_asks_the_same_meanwhile_waits_for_the_same_answer() {
    let scene = Scene::new("both").await;
    let (token, told) = (scene.token(), Arc::new(Notify::new()));
    scene.server.fault(Fault::Waits(told.clone()));
    let asking = join_all((0..10).map(|_| scene.status(&token)));
    // The counter is the program's, and so are the tests beside this one: it says that all have come, or more.
    let before = waiting(&scene).await;
    let answering = async {
        eventually(async || waiting(&scene).await >= before + 9).await;
        told.notify_one();
    };
    let (answers, ()) = tokio::join!(asking, answering);
    assert_eq!(answers, [200; 10]);
    assert_eq!(scene.server.came(), 1);
}

/// How many have waited for an answer that somebody else asked for.
async fn waiting(scene: &Scene) -> u64 {
    let metrics = scene.world.operations(Method::GET, "/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let line = "moneyer_token_review_answers_total{by=\"same_question\"} ";
    let value = metrics.lines().find_map(|metric| metric.strip_prefix(line)).unwrap_or("0");
    value.parse().unwrap()
}

#[tokio::test]
async fn whoever_goes_away_takes_the_answer_from_nobody() {
    let scene = Scene::new("both").await;
    let (token, told) = (scene.token(), Arc::new(Notify::new()));
    scene.server.fault(Fault::Waits(told.clone()));
    let first = scene.exchange(&token);
    let leaving = async {
        eventually(async || scene.server.came() == 1).await;
    };
    // The first one hangs up while it waits.
    tokio::select! {
        _ = first => panic!("nothing was answered"),
        () = leaving => {}
    }
    let second = scene.exchange(&token);
    let answering = async {
        tokio::task::yield_now().await;
        told.notify_one();
    };
    let (answer, ()) = tokio::join!(second, answering);
    assert_eq!(answer.status, 200);
    assert_eq!(scene.server.came(), 1, "the question went on");
}

#[tokio::test]
async fn a_token_of_ours_that_is_exchanged_three_times_is_read_three_times() {
    let scene = Scene::forgetful("tokenreview").await;
    for number in 2..=4 {
        let next = format!("own-token-{number}");
        scene.model.let_ask(&[&next]);
        scene.own_token_is(&format!("{next}\n"));
        assert_eq!(scene.status(&scene.token()).await, 200, "{next}");
    }
    // One that nobody takes is told as what it is, and not as the client's fault.
    scene.model.let_ask(&["another"]);
    let answer = scene.exchange(&scene.token()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(read(&answer)["error"], "temporarily_unavailable");
    assert_eq!(field(&answer, "cache-control"), "no-store");
    let told = scene.until_told(false).await["problem"].to_string();
    assert!(
        told.contains("the API server of prod: it does not take our own token (401)"),
        "{told}"
    );
    scene.model.let_ask(&["another"]);
    scene.own_token_is("another");
    assert_eq!(scene.status(&scene.token()).await, 200);
    scene.model.forbid("another");
    assert_eq!(scene.status(&scene.token()).await, 503);
    let told = scene.until_told(false).await["problem"].to_string();
    assert!(told.contains("system:auth-delegator"), "{told}");
}
