//! The crate `spiffe` as a workload uses it: it fetches, watches and validates.

use spiffe::{JwtSource, JwtSvid, WorkloadApiClient};

use super::cluster::Cluster;

const AUDIENCE: &str = "https://ledger.example";
const ANOTHER: &str = "https://another.example";

#[tokio::test(flavor = "multi_thread")]
async fn w8_the_crate_spiffe_holds_an_x509_svid_and_is_told_of_another_authority() {
    let cluster = Cluster::start("own.example", &[]);
    let source = cluster.source("demo-1").await;
    let svid = source.svid().unwrap();
    assert_eq!(svid.spiffe_id(), &cluster.id("demo-1"));
    let known = || {
        let bundle = source.try_bundle_for_trust_domain(cluster.trust_domain()).unwrap();
        bundle.authorities().to_vec()
    };
    let before = known();
    let mut updates = source.updated();
    cluster.moneyer(&["key", "prepare", "--x509"]);
    updates.changed().await.unwrap();
    let after = known();
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(after.contains(&before[0]), "the one that signs is gone");
    source.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w13_the_crate_spiffe_and_the_runner_agree_on_jwt_svids() {
    let (cluster, other) =
        (Cluster::start("own.example", &[]), Cluster::start("other.example", &[]));
    let endpoint = cluster.endpoint("demo-1");
    let source = JwtSource::builder().endpoint(&endpoint).build().await.unwrap();
    let svid = source.fetch_jwt_svid([AUDIENCE]).await.unwrap();
    assert_eq!(svid.spiffe_id(), &cluster.id("demo-1"));
    let bundles = source.bundle_set().unwrap();
    JwtSvid::parse_and_validate(svid.token(), &*bundles, &[AUDIENCE]).unwrap();
    JwtSvid::parse_and_validate(svid.token(), &*bundles, &[ANOTHER]).unwrap_err();
    let client = WorkloadApiClient::connect_to(&endpoint).await.unwrap();
    client.validate_jwt_token(AUDIENCE, svid.token()).await.unwrap();
    client.validate_jwt_token(ANOTHER, svid.token()).await.unwrap_err();

    let theirs = JwtSource::builder().endpoint(other.endpoint("demo-1")).build().await.unwrap();
    let foreign = theirs.fetch_jwt_svid([AUDIENCE]).await.unwrap();
    JwtSvid::parse_and_validate(foreign.token(), &*theirs.bundle_set().unwrap(), &[AUDIENCE])
        .unwrap();
    JwtSvid::parse_and_validate(foreign.token(), &*bundles, &[AUDIENCE]).unwrap_err();
    client.validate_jwt_token(AUDIENCE, foreign.token()).await.unwrap_err();
    source.shutdown().await;
    theirs.shutdown().await;
}
