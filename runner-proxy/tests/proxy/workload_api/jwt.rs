//! JWT-SVIDs and their key sets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tonic::Code;

use super::{Workload, next};
use crate::coordinator::{TRUST_DOMAIN, spiffe_id};
use crate::host::with_one_sandbox;

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn w11_a_jwt_svid_is_for_the_sandbox_and_the_audiences_in_their_order() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let own = spiffe_id("s-1");
    let answer = workload.jwt_svid(&["b", "a"], "").await.unwrap();
    let [svid] = answer.svids.as_slice() else { panic!("{answer:?}") };
    assert_eq!(svid.spiffe_id, own);
    let claims = claims(&svid.svid);
    assert_eq!(
        (claims["sub"].as_str(), &claims["aud"]),
        (Some(&*own), &serde_json::json!(["b", "a"]))
    );
    assert_eq!(workload.jwt_svid(&["b", "a"], &own).await.unwrap(), answer, "from the cache");
    assert_eq!(workload.jwt_svid(&["b", "a", "b"], &own).await.unwrap(), answer);
    assert_eq!(cluster.records(|records| records.jwt_svids), 1);
    for audience in [&["a", "b"][..], &["a"], &["b"]] {
        let other = workload.jwt_svid(audience, "").await.unwrap();
        assert_eq!(self::claims(&other.svids[0].svid)["aud"], serde_json::json!(audience));
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w11_no_audience_is_an_invalid_argument_and_no_entitlement_never_an_empty_list() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    for audience in [&[][..], &[""], &["a", ""], &["a b"]] {
        let refused = workload.jwt_svid(audience, "").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{audience:?}");
    }
    for other in [spiffe_id("s-2"), "spiffe://other.test/a".to_owned(), "nonsense".to_owned()] {
        let refused = workload.jwt_svid(&["a"], &other).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{other}");
    }
    let refused = workload.jwt_svid(&["forbidden"], "").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w11_however_many_ask_at_once_one_is_minted() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let workload = workload.clone();
            tokio::spawn(async move { workload.jwt_svid(&["a"], "").await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(cluster.records(|records| records.jwt_svids), 1);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w12_key_sets_hold_jwt_keys_with_their_ids_alone_and_are_never_null() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let empty = moneyer_proto::v1::TrustBundle {
        trust_domain: "empty.test".to_owned(),
        document: br#"{"keys":[]}"#.to_vec(),
    };
    cluster.change_bundles(|records| records.federated = vec![empty]);
    let mut stream = Workload::of(&proxy, "s-1").await.jwt_bundles().await.unwrap();
    let bundles = loop {
        let bundles = next(&mut stream).await.unwrap().bundles;
        if bundles.len() == 2 {
            break bundles;
        }
    };
    let set = |domain: &str| -> Value {
        serde_json::from_slice(&bundles[&format!("spiffe://{domain}")]).unwrap()
    };
    let own = set(TRUST_DOMAIN);
    let [key] = own["keys"].as_array().unwrap().as_slice() else { panic!("{own}") };
    assert_eq!((key["kid"].as_str(), key["kty"].as_str()), (Some("first"), Some("EC")));
    assert!(key.get("x5c").is_none() && key.get("use").is_none(), "{key}");
    assert_eq!(set("empty.test"), serde_json::json!({ "keys": [] }));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o4_no_authority_of_x509_svids_is_in_a_key_set_and_every_key_has_its_id() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut authorities = workload.x509_bundles().await.unwrap();
    let own = format!("spiffe://{TRUST_DOMAIN}");
    let authorities = next(&mut authorities).await.unwrap().bundles;
    assert!(!authorities[&own].is_empty(), "there is one to be left out");
    let mut keys = workload.jwt_bundles().await.unwrap();
    let keys = next(&mut keys).await.unwrap().bundles;
    let keys: Value = serde_json::from_slice(&keys[&own]).unwrap();
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(key["kid"].as_str().is_some_and(|kid| !kid.is_empty()), "{key}");
        assert!(key.get("x5c").is_none(), "{key}");
    }
    proxy.stop().await;
}
