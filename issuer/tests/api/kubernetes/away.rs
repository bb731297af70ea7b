//! What becomes of exchanges while an API server is away.

use std::time::Duration;

use moneyer_daemon::unix_http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::{Fault, MODES, Scene};
use crate::world::json as read;

/// A caller is told within this time.
const TOLD: Duration = Duration::from_secs(2);

#[tokio::test]
async fn known_tokens_are_exchanged_while_the_api_server_is_stopped_and_others_get_503() {
    for verify in MODES {
        let mut scene = Scene::with(verify, "review_remembered = '60s'", "").await;
        let known = scene.token();
        assert_eq!(scene.status(&known).await, 200);
        scene.server.stop().await;
        let begun = Instant::now();
        let answer = scene.exchange(&scene.token()).await;
        assert!(begun.elapsed() < TOLD, "{verify}: {:?}", begun.elapsed());
        assert_eq!(answer.status, 503, "{verify}");
        assert_eq!(read(&answer)["error"], "temporarily_unavailable");
        assert_eq!(scene.status(&known).await, 200, "{verify}");
        let told = scene.until_told(false).await["problem"].to_string();
        assert!(told.contains("the API server of prod: no answer came"), "{told}");
        let metrics = scene.world.operations(Method::GET, "/metrics").await;
        let metrics = String::from_utf8(metrics.body).unwrap();
        assert!(metrics.contains("moneyer_token_reviews_total{outcome=\"failed\"}"), "{metrics}");
        scene.server.again();
        // Nobody has to ask for that to be seen.
        scene.until_told(true).await;
        assert_eq!(scene.status(&scene.token()).await, 200, "{verify}");
    }
}

#[tokio::test]
async fn an_api_server_that_hangs_is_told_within_two_seconds_and_then_left_alone() {
    let scene = Scene::new("both").await;
    scene.server.fault(Fault::Hangs);
    let begun = Instant::now();
    let tokens: Vec<_> = (0..5).map(|_| scene.token()).collect();
    let asking = tokens.iter().map(|token| scene.status(token));
    let answers = futures_util::future::join_all(asking).await;
    assert_eq!(answers, [503; 5]);
    assert!(begun.elapsed() < TOLD, "{:?}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_secs(1), "it was waited for");
    let (begun, came) = (Instant::now(), scene.server.came());
    for _ in 0..20 {
        assert_eq!(scene.status(&scene.token()).await, 503);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits any more");
    assert_eq!(scene.server.came(), came, "it is left alone");
    let told = scene.until_told(false).await["problem"].to_string();
    assert!(told.contains("it is left alone for some seconds"), "{told}");
    scene.server.fault(Fault::None);
    scene.until_told(true).await;
    assert_eq!(scene.status(&scene.token()).await, 200);
}

#[tokio::test]
async fn other_issuers_have_no_part_in_it() {
    let more = "[[exchange.cluster]]\nname = 'west'\nissuer = 'https://west.example'\n\
                verify = 'tokenreview'\naudiences = ['moneyer']\napi_server = 'https://localhost:1'";
    let scene = Scene::with("both", "", more).await;
    let told = scene.until_told(false).await["problem"].to_string();
    assert!(told.contains("the API server of west: ") && !told.contains("prod"), "{told}");
    assert_eq!(scene.status(&scene.token()).await, 200);
    let west = scene.forged(&json!({ "iss": "https://west.example" }));
    assert_eq!(scene.status(&west).await, 503);
}

#[tokio::test]
async fn keys_that_are_too_old_while_the_api_server_hangs_are_told_within_two_seconds() {
    for verify in ["jwks", "both"] {
        let scene = Scene::new(verify).await;
        scene.server.fault(Fault::Hangs);
        scene.world.clock.advance(Duration::from_secs(24 * 3600 + 1));
        let begun = Instant::now();
        let answer = scene.exchange(&scene.token()).await;
        assert!(begun.elapsed() < TOLD, "{verify}: {:?}", begun.elapsed());
        assert!(begun.elapsed() > Duration::from_secs(1), "it was waited for");
        assert_eq!(answer.status, 503, "{verify}");
    }
}
