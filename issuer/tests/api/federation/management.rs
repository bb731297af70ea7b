//! `/api/v1/federations` and `/api/v1/trust-bundles`.

use moneyer_daemon::unix_http::Method;
use moneyer_identity::spiffe::TrustBundles;
use moneyer_testkit::TestCa;
use serde_json::json;

use crate::federation::foreign::{
    Foreign, ID, bundle, problem_of, says, spiffe_body, trust_domain, web_body, world,
};
use crate::world::{World, field, json, problem};

#[tokio::test]
async fn f1_a_federation_of_either_profile_is_put_shown_listed_refreshed_and_removed() {
    let world = world().await;
    let ca = TestCa::default();
    let web = Foreign::web(&ca, says(7, &[&ca]));
    let view = world.federate(&web_body(&web.url, &ca)).await;
    let now = world.authority().now().0;
    let expected = json!({
        "trust_domain": "other.example", "url": web.url, "profile": "https_web", "status": "in_force",
        "bundle": {
            "sequence": 7, "x509_authorities": 1, "jwt_authorities": 0,
            "fetched_at": now, "trusted_until": now + 86_400,
        },
        "tried_at": now, "next_try_at": now + 300,
    });
    assert_eq!(view, expected);
    let shown = json(&world.manage(Method::GET, "/federations/other.example", "").await);
    assert_eq!(shown, expected);
    let listed = json(&world.manage(Method::GET, "/federations", "").await);
    assert_eq!(listed, json!([expected]));
    assert_eq!(world.in_force(), Some(bundle(7, &[&ca])));

    let spiffe = Foreign::spiffe(&ca, ID, says(8, &[&ca]));
    let view = world.federate(&spiffe_body(&spiffe.url, &bundle(1, &[&ca]))).await;
    assert_eq!(view["profile"], "https_spiffe");
    assert_eq!(view["endpoint_spiffe_id"], ID);
    assert_eq!(
        (view["status"].as_str(), view["bundle"]["sequence"].as_u64()),
        (Some("in_force"), Some(8))
    );
    spiffe.say(&bundle(9, &[&ca]));
    assert_eq!(world.refresh().await["bundle"]["sequence"], 9);

    let removed = world.manage(Method::DELETE, "/federations/other.example", "").await;
    assert_eq!(removed.status, 204);
    assert_eq!(world.in_force(), None);
    for (method, path) in [
        (Method::GET, "/federations/other.example"),
        (Method::POST, "/federations/other.example/refresh"),
        (Method::DELETE, "/federations/other.example"),
    ] {
        problem(&world.manage(method, path, "").await, 404);
    }
}

#[tokio::test]
async fn b9_every_bundle_in_force_is_in_one_map_without_its_hint() {
    let world = world().await;
    let ca = TestCa::default();
    let hinted = bundle(7, &[&ca]).with_refresh_hint(std::time::Duration::from_secs(60));
    let foreign = Foreign::web(&ca, says(1, &[]));
    foreign.say(&hinted);
    assert_eq!(
        world.federate(&web_body(&foreign.url, &ca)).await["bundle"]["refresh_hint_seconds"],
        60
    );
    let answer = world.manage(Method::GET, "/trust-bundles", "").await;
    assert_eq!(field(&answer, "content-type"), "application/json");
    let map = TrustBundles::parse(&answer.body).unwrap();
    assert_eq!(map.len(), 2);
    assert_eq!(**map.find(&trust_domain()).unwrap(), bundle(7, &[&ca]));
    assert!(map.find(world.authority().trust_domain()).is_some());
    assert!(!String::from_utf8_lossy(&answer.body).contains("refresh_hint"));
}

#[tokio::test]
async fn f2_what_is_no_federation_is_refused_and_nothing_is_asked() {
    let world = World::start().await;
    let ca = TestCa::default();
    let url = "https://other.example/bundle";
    let boot = bundle(1, &[&ca]).to_document();
    for (body, why) in [
        (json!({ "url": url }), "missing field `profile`"),
        (json!({ "profile": "https_web" }), "missing field `url`"),
        (json!({ "url": url, "profile": "https" }), "unknown variant"),
        (json!({ "url": "http://other.example/", "profile": "https_web" }), "begins with https://"),
        (
            json!({ "url": "https://u:p@other.example/", "profile": "https_web" }),
            "no name and password",
        ),
        (
            json!({ "url": url, "profile": "https_web", "endpoint_spiffe_id": ID }),
            "known by its name",
        ),
        (
            json!({ "url": url, "profile": "https_web", "bootstrap_bundle": boot }),
            "known by its name",
        ),
        (
            json!({ "url": url, "profile": "https_web", "ca_certificates": "x" }),
            "no PEM certificate",
        ),
        (json!({ "url": url, "profile": "https_spiffe" }), "endpoint_spiffe_id is missing"),
        (json!({ "url": url, "profile": "https_spiffe", "endpoint_spiffe_id": ID }), "give one"),
        (
            json!({ "url": url, "profile": "https_spiffe", "endpoint_spiffe_id": ID, "ca_certificates": ca.pem }),
            "known by a trust bundle",
        ),
        (
            json!({ "url": url, "profile": "https_spiffe", "endpoint_spiffe_id": ID, "bootstrap_bundle": "[]" }),
            "not a JSON object with an array of keys",
        ),
        (json!({ "url": url, "profile": "https_web", "fallback": true }), "unknown field"),
    ] {
        let answer =
            world.manage(Method::PUT, "/federations/other.example", &body.to_string()).await;
        assert!(answer.status.is_client_error(), "{body}");
        let detail = problem(&answer, answer.status.as_u16());
        assert!(detail.contains(why), "{detail}");
    }
    let good = json!({ "url": url, "profile": "https_web" }).to_string();
    let own = world.manage(Method::PUT, "/federations/id.example.com", &good).await;
    assert!(problem(&own, 400).contains("the cluster's own trust domain"));
    problem(&world.manage(Method::PUT, "/federations/Other.example", &good).await, 400);
    assert_eq!(json(&world.manage(Method::GET, "/federations", "").await), json!([]));
}

#[tokio::test]
async fn a_server_on_this_machine_is_not_asked_unless_that_is_allowed() {
    let world = World::start().await;
    let ca = TestCa::default();
    let foreign = Foreign::web(&ca, says(1, &[&ca]));
    let view = world.federate(&web_body(&foreign.url, &ca)).await;
    assert_eq!(view["status"], "waiting");
    assert!(problem_of(&view).contains("localhost is not a public address"), "{view}");
    assert_eq!(foreign.asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_age_of_a_bundle_is_a_metric_and_no_number_once_it_is_gone() {
    let world = world().await;
    let ca = TestCa::default();
    let foreign = Foreign::web(&ca, says(1, &[&ca]));
    world.federate(&web_body(&foreign.url, &ca)).await;
    let age = async || {
        let text = String::from_utf8(world.operations(Method::GET, "/metrics").await.body).unwrap();
        let gauge = "moneyer_federation_bundle_age_seconds{trust_domain=\"other.example\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(gauge));
        line.unwrap_or_else(|| panic!("{gauge} is not in\n{text}")).to_owned()
    };
    world.clock.advance(std::time::Duration::from_secs(90));
    assert_eq!(age().await, "90");
    world.manage(Method::DELETE, "/federations/other.example", "").await;
    assert_eq!(age().await, "NaN");
}

#[tokio::test]
async fn a_bundle_that_is_not_fetched_anew_is_on_the_status_page_from_half_of_its_time() {
    let world = world().await;
    let ca = TestCa::default();
    let foreign = Foreign::web(&ca, says(7, &[&ca]));
    world.federate(&web_body(&foreign.url, &ca)).await;
    let finding = async || {
        let view = json(&world.operations(Method::GET, "/status.json").await);
        let findings = view["verdict"]["findings"].as_array().unwrap().iter();
        let what = findings.map(|finding| finding["what"].as_str().unwrap().to_owned());
        what.filter(|what| what.contains("other.example")).collect::<Vec<_>>()
    };
    foreign.say(&bundle(6, &[&ca]));
    world.refresh().await;
    assert_eq!(finding().await, [""; 0], "one failed try is no news");
    let half = std::time::Duration::from_secs(12 * 3600 + 60);
    world.clock.advance(half);
    let [ending] = finding().await.try_into().unwrap();
    assert!(ending.starts_with("The bundle of other.example is not fetched anew"), "{ending}");
    world.clock.advance(half);
    let over = "There is no bundle of other.example: its SVIDs are refused here.";
    assert_eq!(finding().await, [over]);
}
