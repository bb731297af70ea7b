//! X.509-SVIDs and their bundles.

use std::time::Duration;

use moneyer_identity::spiffe::X509Authority;
use moneyer_proto::workload::X509svidResponse;
use rcgen::{KeyPair, PublicKeyData as _};
use tonic::Code;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use super::{Workload, is_quiet, next};
use crate::authority::Authority;
use crate::coordinator::{Cluster, TRUST_DOMAIN, spiffe_id};
use crate::host::{eventually, with_one_sandbox};

/// The URI in a leaf, after its key was found to be the one that came with it.
fn checked(response: &X509svidResponse, authority: &[u8]) -> String {
    assert_eq!(response.svids.len(), 1);
    let svid = response.svids.first().unwrap();
    let (rest, leaf) = X509Certificate::from_der(&svid.x509_svid).unwrap();
    assert!(rest.is_empty(), "one certificate");
    let key = KeyPair::try_from(svid.x509_svid_key.as_slice()).unwrap();
    assert_eq!(leaf.public_key().raw, key.subject_public_key_info(), "the key of the certificate");
    let (_, authority) = X509Certificate::from_der(authority).unwrap();
    leaf.verify_signature(Some(authority.public_key())).unwrap();
    let names = leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(names),
        _ => None,
    });
    assert_eq!(names.unwrap().general_names, [GeneralName::URI(&svid.spiffe_id)]);
    svid.spiffe_id.clone()
}

fn authority(cluster: &Cluster) -> Vec<u8> {
    cluster.records(|records| records.spiffe.certificate().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn w9_an_x509_svid_comes_with_its_key_and_every_bundle() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let other = Authority::new("other.test", "k");
    cluster.change_bundles(|records| records.federated = vec![other.bundle()]);
    let workload = Workload::of(&proxy, "s-1").await;
    let mut bundles = workload.x509_bundles().await.unwrap();
    while next(&mut bundles).await.unwrap().bundles.len() < 2 {}
    let mut stream = workload.x509_svids().await.unwrap();
    let response = next(&mut stream).await.unwrap();
    assert_eq!(checked(&response, &authority(&cluster)), spiffe_id("s-1"));
    assert_eq!(response.svids[0].bundle, authority(&cluster));
    assert!(X509Authority::parse(&response.svids[0].bundle).is_ok());
    let federated: Vec<_> = response.federated_bundles.into_iter().collect();
    let expected = ("spiffe://other.test".to_owned(), other.certificate().to_vec());
    assert_eq!(federated, [expected]);
    assert!(response.svids[0].hint.is_empty() && response.crl.is_empty());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w8_all_streams_share_one_svid_and_are_told_of_its_renewal() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    // Renewed within its first two seconds.
    cluster.records(|records| records.svid_life = 4);
    let workload = Workload::of(&proxy, "s-1").await;
    let mut one = workload.x509_svids().await.unwrap();
    let mut other = Workload::of(&proxy, "s-1").await.x509_svids().await.unwrap();
    let (first, same) = (next(&mut one).await.unwrap(), next(&mut other).await.unwrap());
    assert_eq!(first, same);
    cluster.records(|records| records.svid_life = 3600);
    let (renewed, same) = (next(&mut one).await.unwrap(), next(&mut other).await.unwrap());
    assert_eq!(renewed, same);
    assert_ne!(renewed.svids[0].x509_svid, first.svids[0].x509_svid);
    assert_ne!(renewed.svids[0].x509_svid_key, first.svids[0].x509_svid_key, "a new key each time");
    assert_eq!(checked(&renewed, &authority(&cluster)), spiffe_id("s-1"));
    assert!(is_quiet(&mut one).await);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w8_a_change_of_bundles_is_told_at_once_complete_and_to_whom_it_concerns() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut svids = workload.x509_svids().await.unwrap();
    let mut x509 = workload.x509_bundles().await.unwrap();
    let mut jwt = workload.jwt_bundles().await.unwrap();
    next(&mut svids).await.unwrap();
    let own = format!("spiffe://{TRUST_DOMAIN}");
    assert_eq!(next(&mut x509).await.unwrap().bundles[&own], authority(&cluster));
    assert!(next(&mut jwt).await.unwrap().bundles.contains_key(&own));

    let other = Authority::new("other.test", "k");
    cluster.change_bundles(|records| records.federated = vec![other.bundle()]);
    assert_eq!(next(&mut svids).await.unwrap().federated_bundles.len(), 1);
    assert_eq!(next(&mut x509).await.unwrap().bundles.len(), 2, "the whole state");
    assert_eq!(next(&mut jwt).await.unwrap().bundles.len(), 2);

    // What is missing is withdrawn (section 4.4).
    cluster.change_bundles(|records| records.federated.clear());
    assert!(next(&mut svids).await.unwrap().federated_bundles.is_empty());
    assert_eq!(next(&mut x509).await.unwrap().bundles.len(), 1);
    assert_eq!(next(&mut jwt).await.unwrap().bundles.len(), 1);

    // The same again, as after the coordinator ended the stream for its age, is no change.
    cluster.change_bundles(|_| {});
    assert!(is_quiet(&mut svids).await && is_quiet(&mut x509).await && is_quiet(&mut jwt).await);
    proxy.stop().await;
}

/// Whatever makes tokens stale makes no X.509-SVID so, and the other way round: a coordinator that had to sign
/// both for every sandbox at once would run out of its share.
#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_one_kind_renews_nothing_of_the_other() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut svids = workload.x509_svids().await.unwrap();
    let first = next(&mut svids).await.unwrap();
    let token = workload.jwt_svid(&["a"], "").await.unwrap();
    let counts = || cluster.records(|records| (records.minted(), records.x509_svids));
    cluster.reissue("1.0");
    let (minted, signed) = counts();

    // A key of tokens was withdrawn, or the issuer has moved.
    cluster.reissue("1.1");
    eventually("tokens are replaced", async || counts().0 > minted).await;
    eventually("and JWT-SVIDs", async || {
        workload.jwt_svid(&["a"], "").await.unwrap().svids != token.svids
    })
    .await;
    // Longer than the spread of either.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(counts().1, signed, "no X.509-SVID was");
    assert!(is_quiet(&mut svids).await);

    // An authority of X.509-SVIDs was withdrawn.
    let token = workload.jwt_svid(&["a"], "").await.unwrap();
    let (minted, _) = counts();
    cluster.change_bundles(|records| records.spiffe = Authority::new(TRUST_DOMAIN, "first"));
    while next(&mut svids).await.unwrap().svids[0].x509_svid == first.svids[0].x509_svid {}
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(counts(), (minted, signed + 1));
    assert_eq!(workload.jwt_svid(&["a"], "").await.unwrap(), token);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w10_bundles_have_the_own_domain_whatever_else_is_trusted() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let own = format!("spiffe://{TRUST_DOMAIN}");
    let x509 = next(&mut workload.x509_bundles().await.unwrap()).await.unwrap();
    assert_eq!(x509.bundles.into_iter().collect::<Vec<_>>(), [(own.clone(), authority(&cluster))]);
    let jwt = next(&mut workload.jwt_bundles().await.unwrap()).await.unwrap();
    assert_eq!(jwt.bundles.into_keys().collect::<Vec<_>>(), [own]);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w14_streams_of_a_sandbox_that_leaves_end_with_permission_denied() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    for (sandbox, leave) in [("s-1", true), ("s-2", false)] {
        cluster.place(sandbox, &[]);
        proxy.attach(sandbox, &[]).await.unwrap();
        let workload = Workload::of(&proxy, sandbox).await;
        let mut svids = workload.x509_svids().await.unwrap();
        let mut x509 = workload.x509_bundles().await.unwrap();
        let mut jwt = workload.jwt_bundles().await.unwrap();
        next(&mut svids).await.unwrap();
        next(&mut x509).await.unwrap();
        next(&mut jwt).await.unwrap();
        if leave {
            assert!(proxy.detach(sandbox).await);
        } else {
            cluster.displace(sandbox);
        }
        let codes = [
            next(&mut svids).await.unwrap_err().code(),
            next(&mut x509).await.unwrap_err().code(),
            next(&mut jwt).await.unwrap_err().code(),
        ];
        assert_eq!(codes, [Code::PermissionDenied; 3], "{sandbox}");
        eventually("its directory is gone", async || !proxy.directory(sandbox).exists()).await;
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w14_a_sandbox_that_loses_its_spiffe_id_loses_its_streams_and_another_id_is_told() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut svids = workload.x509_svids().await.unwrap();
    next(&mut svids).await.unwrap();
    let renamed = format!("spiffe://{TRUST_DOMAIN}/renamed");
    cluster.rename("s-1", &renamed);
    let told = next(&mut svids).await.unwrap();
    assert_eq!(checked(&told, &authority(&cluster)), renamed);
    let token = workload.jwt_svid(&["a"], "").await.unwrap();
    assert_eq!(token.svids[0].spiffe_id, renamed);

    cluster.rename("s-1", "");
    assert_eq!(next(&mut svids).await.unwrap_err().code(), Code::PermissionDenied);
    for refused in [
        workload.x509_svids().await.err(),
        workload.jwt_svid(&["a"], &renamed).await.err(),
        workload.jwt_bundles().await.err(),
    ] {
        assert_eq!(refused.unwrap().code(), Code::PermissionDenied);
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_a_proxy_that_goes_down_says_that_it_will_be_back() {
    let (_cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let workload = Workload::of(&proxy, "s-1").await;
    let mut svids = workload.x509_svids().await.unwrap();
    next(&mut svids).await.unwrap();
    let begun = tokio::time::Instant::now();
    let (status, ()) = tokio::join!(next(&mut svids), proxy.stop());
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(5), "open streams hold nothing up");
}

#[tokio::test(flavor = "multi_thread")]
async fn w5_a_refusal_of_the_coordinator_is_permission_denied() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    // The coordinator has taken the id away, and the runner has not heard of it.
    cluster.records(|records| records.tells = false);
    cluster.rename("s-1", "");
    let workload = Workload::of(&proxy, "s-1").await;
    let refused = [
        workload.x509_svids().await.err().unwrap(),
        workload.jwt_svid(&["a"], "").await.unwrap_err(),
    ];
    assert!(refused.iter().all(|status| status.code() == Code::PermissionDenied), "{refused:?}");
    proxy.stop().await;
}
