//! Log-ins that are refused: by what, under whose name they are recorded, and how few records they can cause.

use std::time::Duration;

use moneyer_authority::login::LoginError;
use moneyer_identity::spiffe::JwtSvidError;
use moneyer_testkit::ForeignIssuer;
use serde_json::{Value, json};

use super::{LOGIN, Scene, allow, deny, log_in, svid};

impl Scene {
    /// The refusals that were recorded since, without their places and times.
    fn refused_since(&self, before: usize) -> Vec<Value> {
        let records = self.world.audit.records().split_off(before);
        records.into_iter().filter(|record| record["event"] == "login_refused").collect()
    }
}

#[tokio::test]
async fn every_refusal_is_recorded_under_the_name_that_was_proved() {
    let scene = Scene::new().await;
    scene.put(deny("rogue", "other.example/rogue")).await;
    let now = scene.world.now();
    let stranger = ForeignIssuer::new("stranger.example", "one");
    let forger = ForeignIssuer::new("other.example", "one");
    let late = scene.foreign.jwt_svid(("/x", LOGIN), now, (json!({}), json!({"exp": now.0})));
    let id = |path: &str| format!("workload:spiffe://other.example{path}");
    for (svid, who, why) in [
        (svid(&stranger, "/x", now, json!({})), "nobody".to_owned(), "stranger.example may not"),
        (svid(&forger, "/x", now, json!({})), "nobody".to_owned(), "signature does not match"),
        (late, "nobody".to_owned(), "has expired"),
        ("x".to_owned(), "nobody".to_owned(), "not a well-formed JWT"),
        (scene.svid("/x"), id("/x"), "no policy names spiffe://other.example/x"),
        (scene.svid("/rogue"), id("/rogue"), "the policy rogue denies"),
    ] {
        let before = scene.world.audit.records().len();
        log_in(&scene.world.authority, &svid, None).await.unwrap_err();
        let [record] = scene.refused_since(before).try_into().unwrap();
        assert_eq!(record["who"], json!(who), "{record}");
        assert_eq!(record["decision"], "refused");
        assert_eq!((&record["class"], &record["count"]), (&json!("unauthenticated"), &json!(1)));
        assert!(record["reason"].as_str().unwrap().contains(why), "{record}");
    }
}

#[tokio::test]
async fn a_trust_domain_of_many_names_fills_no_log_and_no_memory() {
    let scene = Scene::new().await;
    let before = scene.world.audit.records().len();
    for at in 0..50 {
        let refused = scene.log_in(&format!("/made-up/{at}")).await;
        assert!(matches!(refused, Err(LoginError::Unnamed(_))), "{refused:?}");
    }
    for _ in 0..50 {
        let nobody = log_in(&scene.world.authority, "x", None).await;
        assert!(matches!(nobody, Err(LoginError::Jwt(JwtSvidError::Malformed))), "{nobody:?}");
    }
    assert_eq!(scene.refused_since(before).len(), 20, "ten of each");
    scene.world.clock.advance(Duration::from_secs(60));
    scene.world.authority.settle_refusals(false);
    let mut counted = scene.refused_since(before).split_off(20);
    counted.sort_by_key(|record| record["who"].to_string());
    let told: Vec<_> = counted.iter().map(|record| (&record["who"], &record["count"])).collect();
    let expected = [(json!("nobody"), json!(40)), (json!("trust_domain:other.example"), json!(40))];
    assert_eq!(told, expected.iter().map(|(who, count)| (who, count)).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_is_let_in_is_not_kept_out_by_the_refusals_of_others() {
    let scene = Scene::new().await;
    scene.put(allow("builds", "other.example/build/*", &[])).await;
    for _ in 0..50 {
        scene.log_in("/made-up").await.unwrap_err();
    }
    scene.log_in("/build/one").await.unwrap();
}
