//! Servers that are not what they should be, and the bundle that stays in force meanwhile.

use std::time::Duration;

use moneyer_identity::spiffe::MAXIMUM_BUNDLE_BYTES;
use moneyer_testkit::TestCa;
use serde_json::{Value, json};

use crate::federation::foreign::{
    Foreign, ID, Says, bundle, problem_of, says, spiffe_body, web_body, world,
};

#[tokio::test]
async fn f5_a_server_of_https_web_has_its_name_under_the_given_roots() {
    let world = world().await;
    let (ca, other) = (TestCa::default(), TestCa::default());
    let foreign = Foreign::web(&other, says(1, &[&ca]));
    let refused = world.federate(&web_body(&foreign.url, &ca)).await;
    assert_eq!(refused["status"], "waiting");
    assert!(problem_of(&refused).contains("certificate"), "{refused}");
    let named = foreign.url.replace("localhost", "127.0.0.1");
    let unnamed = world.federate(&web_body(&named, &other)).await;
    assert!(problem_of(&unnamed).contains("not valid for name"), "{unnamed}");
    assert_eq!(world.federate(&web_body(&foreign.url, &other)).await["status"], "in_force");
}

#[tokio::test]
async fn f6_a_server_whose_authority_was_replaced_is_known_by_the_newest_bundle_alone() {
    let world = world().await;
    let (first, second) = (TestCa::default(), TestCa::default());
    let foreign = Foreign::spiffe(&first, ID, says(1, &[&first]));
    world.federate(&spiffe_body(&foreign.url, &bundle(1, &[&first]))).await;
    // Its next authority is published, then used, then the old one is gone.
    foreign.say(&bundle(2, &[&first, &second]));
    assert_eq!(world.refresh().await["bundle"]["sequence"], 2);
    foreign.show(&second, ID);
    foreign.say(&bundle(3, &[&second]));
    assert_eq!(world.refresh().await["bundle"]["sequence"], 3);
    foreign.say(&bundle(4, &[&second]));
    assert_eq!(world.refresh().await["bundle"]["sequence"], 4);
    // Who has the key of the old one is nobody any more, though the federation began with it.
    foreign.show(&first, ID);
    foreign.say(&bundle(5, &[&first]));
    let refused = world.refresh().await;
    assert!(problem_of(&refused).contains("no path from the certificate"), "{refused}");
    foreign.show(&second, "spiffe://other.example/another");
    let refused = world.refresh().await;
    let text = "the server is spiffe://other.example/another and not spiffe://other.example/bundle";
    assert!(problem_of(&refused).contains(text), "{refused}");
    assert_eq!(refused["status"], "in_force");
    assert_eq!(world.in_force(), Some(bundle(4, &[&second])));
}

#[tokio::test]
async fn f3_a_redirect_leads_to_the_same_proof_over_https_or_nowhere() {
    let world = world().await;
    let ca = TestCa::default();
    let target = Foreign::spiffe(&ca, ID, says(1, &[&ca]));
    let other = Foreign::spiffe(&ca, "spiffe://other.example/another", says(2, &[&ca]));
    let via = async |to: String| {
        let server = Foreign::spiffe(&ca, ID, Says::Redirect(to));
        world.federate(&spiffe_body(&server.url, &bundle(1, &[&ca]))).await
    };
    let plain = via(target.url.replace("https://", "http://")).await;
    assert!(problem_of(&plain).contains("only https is asked here"), "{plain}");
    let wrong = via(other.url.clone()).await;
    assert!(problem_of(&wrong).contains("the server is spiffe://other.example/another"), "{wrong}");
    let good = via(target.url.clone()).await;
    assert_eq!(good["bundle"]["sequence"], 1);
    // Where it led is not kept.
    assert_ne!(good["url"], target.url.as_str());
}

#[tokio::test]
async fn f8_the_last_good_bundle_stays_in_force_whatever_comes() {
    let world = world().await;
    let ca = TestCa::default();
    let foreign = Foreign::web(&ca, says(7, &[&ca]));
    world.federate(&web_body(&foreign.url, &ca)).await;
    let long = format!("{}{}", bundle(8, &[&ca]).to_document(), " ".repeat(MAXIMUM_BUNDLE_BYTES));
    let exact = |bytes: usize| long.get(..bytes).unwrap().to_owned();
    for (document, why) in [
        (bundle(6, &[&ca]).to_document(), "has the sequence number 6 and an earlier one had 7"),
        (exact(MAXIMUM_BUNDLE_BYTES + 1), "longer than 1048576 bytes"),
        ("<html>".to_owned(), "what came is not a trust bundle"),
        (
            r#"{"keys":[{"kty":"EC","use":"jwt-svid"}]}"#.to_owned(),
            "entry 0 of the bundle is refused",
        ),
    ] {
        foreign.say_text(document);
        let view = world.refresh().await;
        assert!(problem_of(&view).contains(why), "{view}");
        assert_eq!(view["status"], "in_force");
        let wait = view["next_try_at"].as_i64().unwrap() - view["tried_at"].as_i64().unwrap();
        assert_eq!(wait, 300, "it waits as long as if all were well");
        assert_eq!(world.in_force(), Some(bundle(7, &[&ca])));
    }
    foreign.say_text(exact(MAXIMUM_BUNDLE_BYTES));
    let view = world.refresh().await;
    assert_eq!((view["bundle"]["sequence"].as_u64(), &view["problem"]), (Some(8), &Value::Null));
}

#[tokio::test]
async fn b4_an_entry_of_an_unknown_use_is_left_out_alone() {
    let world = world().await;
    let ca = TestCa::default();
    let mut document: Value = serde_json::from_str(&bundle(7, &[&ca]).to_document()).unwrap();
    let entries = document["keys"].as_array_mut().unwrap();
    entries.push(json!({ "kty": "EC", "use": "future-svid", "crv": "P-256", "x": "?", "y": "?" }));
    entries.push(json!({ "kty": "AKP", "use": "jwt-svid", "pub": "?" }));
    entries.push(json!({ "kty": "EC" }));
    let foreign = Foreign::web(&ca, Says::Document(document.to_string()));
    world.federate(&web_body(&foreign.url, &ca)).await;
    assert_eq!(world.in_force(), Some(bundle(7, &[&ca])));
}

#[tokio::test]
async fn a_slow_server_holds_up_no_other() {
    let world = world().await;
    let ca = TestCa::default();
    let slow = Foreign::web(&ca, Says::Nothing);
    let good = Foreign::web(&ca, says(1, &[&ca]));
    let body = web_body(&slow.url, &ca);
    let waiting = world.put_federation("slow.example", &body);
    let others = async {
        for sequence in 2..5 {
            world.federate(&web_body(&good.url, &ca)).await;
            good.say(&bundle(sequence, &[&ca]));
            assert_eq!(world.refresh().await["bundle"]["sequence"], sequence);
        }
    };
    tokio::select! {
        _ = waiting => panic!("the slow one answered before the others, or they took longer than its 10 s"),
        done = tokio::time::timeout(Duration::from_secs(9), others) => done.unwrap(),
    }
}
