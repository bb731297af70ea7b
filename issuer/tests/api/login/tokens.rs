//! The answer to a log-in that succeeds, and its token at a service of one's own.

use moneyer_daemon::unix_http::Method;
use moneyer_identity::{Audience, Expectations, IssuerUrl, KeySet, Verifier};
use serde_json::json;

use super::{FOREIGN, svid, world};
use crate::world::{ISSUER, field, json as read};

#[tokio::test]
async fn the_answer_says_what_the_token_is_and_the_log_who_got_it() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let answer = world.log_in(&svid(&foreign, "/ci/one")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(field(&answer, "cache-control"), "no-store");
    assert_eq!(field(&answer, "content-type"), "application/json");
    let mut view = read(&answer);
    let token = view["access_token"].take();
    let expected = json!({
        "access_token": null, "token_type": "Bearer", "expires_in": 900,
        "spiffe_id": "spiffe://other.example/ci/one", "policies": ["everyone"],
    });
    assert_eq!(view, expected);

    let served = world.public(Method::GET, "/.well-known/jwks.json", &[]).await;
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    let verifier = Verifier::new(issuer, KeySet::parse(&served.body).unwrap());
    let expected = Expectations::exactly(Audience::parse(ISSUER).unwrap());
    let text = token.as_str().unwrap();
    let now = world.authority().now();
    let token = verifier.verify(text, &expected, now).unwrap();
    assert_eq!(token.claim("policies"), Some(&json!(["everyone"])));
    assert_eq!(token.claim("spiffe_id"), Some(&json!("spiffe://other.example/ci/one")));
    assert_eq!(token.claim("identity_type"), Some(&json!("workload")));
    let elsewhere = Expectations::exactly(Audience::parse("moneyer").unwrap());
    verifier.verify(text, &elsewhere, now).unwrap_err();
}

/// The counters are the process's, and other tests log in too.
#[tokio::test]
async fn log_ins_are_counted_by_how_they_ended() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let counted = async |name: &str| {
        let text = world.operations(Method::GET, "/metrics").await.body;
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse::<u64>().unwrap()
    };
    let refused = "moneyer_logins_refused_total{class=\"unauthenticated\"}";
    let before = [counted("moneyer_logins_total").await, counted(refused).await];
    world.token(&svid(&foreign, "/ci/one")).await;
    world.log_in("x").await;
    world.log_in("y").await;
    let after = [counted("moneyer_logins_total").await, counted(refused).await];
    assert!(after[0] > before[0] && after[1] >= before[1] + 2, "{before:?} {after:?}");
}

#[tokio::test]
async fn what_decides_about_an_id_is_told_to_operators() {
    let (world, _) = world().await;
    world.let_in(&["apps:read"]).await;
    let rogue = json!({ "patterns": ["spiffe://other.example/ci/*"], "effect": "deny" });
    world.put_policy("rogue", &rogue).await;
    let decision = async |id: &str| {
        let path = format!("/policy-decision?spiffe_id={id}");
        read(&world.manage(Method::GET, &path, "").await)
    };
    let everyone = json!({
        "policy": "everyone", "pattern": "spiffe://other.example/**", "effect": "allow",
        "decides": true,
    });
    let expected = json!({
        "spiffe_id": "spiffe://other.example/x", "verdict": "allowed", "candidates": [everyone],
        "policies": ["everyone"], "permissions": ["apps:read"], "maximum_lifetime": 900,
    });
    assert_eq!(decision("spiffe://other.example/x").await, expected);
    let denied = decision("spiffe://other.example/ci/one").await;
    assert_eq!((&denied["verdict"], &denied["permissions"]), (&json!("denied"), &json!([])));
    let named: Vec<_> = denied["candidates"].as_array().unwrap().iter().collect();
    assert_eq!((&named[0]["policy"], &named[0]["decides"]), (&json!("rogue"), &json!(true)));
    assert_eq!((&named[1]["policy"], &named[1]["decides"]), (&json!("everyone"), &json!(false)));
    assert_eq!(decision("spiffe://third.example/x").await["verdict"], "unknown_domain");
    let unnamed = decision(&format!("spiffe://{FOREIGN}")).await;
    assert_eq!(unnamed["verdict"], "unnamed", "no pattern names a trust domain itself");
    for bad in ["", "?spiffe_id=x", "?spiffe_id=spiffe://a.example/x&more=1"] {
        let answer = world.manage(Method::GET, &format!("/policy-decision{bad}"), "").await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}
