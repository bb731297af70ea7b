//! Validating the JWT-SVIDs of others.

use std::time::Duration;

use moneyer_identity::{Clock as _, SystemClock};
use prost_types::value::Kind;
use serde_json::json;
use tonic::Code;

use super::{Workload, next};
use crate::authority::Authority;
use crate::coordinator::spiffe_id;
use crate::host::with_one_sandbox;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn w13_own_and_federated_jwt_svids_are_valid_for_their_audience() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let other = Authority::new("other.test", "k");
    cluster.change_bundles(|records| records.federated = vec![other.bundle()]);
    let workload = Workload::of(&proxy, "s-1").await;
    let mut bundles = workload.jwt_bundles().await.unwrap();
    while next(&mut bundles).await.unwrap().bundles.len() < 2 {}

    let own = workload.jwt_svid(&["a", "b"], "").await.unwrap().svids.remove(0).svid;
    let foreign = other.jwt_svid("spiffe://other.test/web", &["b".to_owned()], HOUR);
    for (svid, id) in [(own, spiffe_id("s-1")), (foreign, "spiffe://other.test/web".to_owned())] {
        let answer = workload.validate("b", &svid).await.unwrap();
        assert_eq!(answer.spiffe_id, id);
        let claims = answer.claims.unwrap().fields;
        assert_eq!(claims["sub"].kind, Some(Kind::StringValue(id)));
        assert!(matches!(claims["exp"].kind, Some(Kind::NumberValue(_))));
        assert!(matches!(claims["aud"].kind, Some(Kind::ListValue(_))));
        let refused = workload.validate("c", &svid).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "meant for others");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w13_everything_that_is_wrong_with_a_token_is_one_answer() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut bundles = workload.jwt_bundles().await.unwrap();
    next(&mut bundles).await.unwrap();
    let (own, now) = (spiffe_id("s-1"), SystemClock.now().0);
    let header = json!({ "alg": "ES256", "kid": "first", "typ": "JWT" });
    let claims = json!({ "sub": own, "aud": ["a"], "exp": now + 60 });
    let forged = Authority::new("id.test", "first");
    let stranger = Authority::new("stranger.test", "first");
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        cluster.records(|records| records.spiffe.signed(&header, &claims))
    };
    let under = |header: serde_json::Value| {
        cluster.records(|records| records.spiffe.signed(&header, &claims))
    };
    let good = with("aud", json!("a"));
    assert_eq!(workload.validate("a", &good).await.unwrap().spiffe_id, own);
    let audience = ["a".to_owned()];
    let wrong = [
        ("no token", "nonsense".to_owned()),
        ("another key of the same id", forged.jwt_svid(&own, &audience, HOUR)),
        (
            "a domain without a bundle",
            stranger.jwt_svid("spiffe://stranger.test/a", &audience, HOUR),
        ),
        ("another domain's key", stranger.jwt_svid(&own, &audience, HOUR)),
        ("a signature cut short", good.strip_suffix(|_| true).unwrap().to_owned()),
        ("expired", with("exp", json!(now - 60))),
        ("without an end", with("exp", json!(null))),
        ("not yet valid", with("nbf", json!(now + 600))),
        ("no audience", with("aud", json!([]))),
        ("no SPIFFE ID", with("sub", json!("s-1"))),
        ("a trust domain's id", with("sub", json!("spiffe://id.test"))),
        ("a header too many", under(json!({ "alg": "ES256", "kid": "first", "jku": "x" }))),
        ("no kid", under(json!({ "alg": "ES256" }))),
        ("alg none", under(json!({ "alg": "none", "kid": "first" }))),
        ("another typ", under(json!({ "alg": "ES256", "kid": "first", "typ": "at+jwt" }))),
    ];
    for (what, svid) in wrong {
        let refused = workload.validate("a", &svid).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}");
        assert_eq!(refused.message(), "the JWT-SVID is not valid for this audience", "{what}");
    }
    proxy.stop().await;
}
