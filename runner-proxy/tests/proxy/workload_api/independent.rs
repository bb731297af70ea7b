//! An independent client: the crate `spiffe`, pointed at the socket as its users would.

use spiffe::{JwtSource, TrustDomain, WorkloadApiClient, X509Source};

use crate::authority::Authority;
use crate::coordinator::{TRUST_DOMAIN, spiffe_id};
use crate::host::with_one_sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn the_crate_spiffe_fetches_watches_and_validates() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    // Renewed while it is watched.
    cluster.records(|records| records.svid_life = 6);
    let endpoint = proxy.variable("s-1", "SPIFFE_ENDPOINT_SOCKET").unwrap();
    let x509 = X509Source::builder().endpoint(&endpoint).build().await.unwrap();
    let first = x509.svid().unwrap();
    assert_eq!(first.spiffe_id().to_string(), spiffe_id("s-1"));
    let own = TrustDomain::new(TRUST_DOMAIN).unwrap();
    let authorities = x509.try_bundle_for_trust_domain(&own).unwrap();
    let [authority] = authorities.authorities() else { unreachable!("one authority") };
    assert_eq!(
        authority.as_ref(),
        cluster.records(|records| records.spiffe.certificate().to_vec())
    );

    let mut updates = x509.updated();
    cluster.records(|records| records.svid_life = 3600);
    updates.changed().await.unwrap();
    let renewed = x509.svid().unwrap();
    assert_ne!(renewed.private_key().as_ref(), first.private_key().as_ref());

    let other = Authority::new("other.test", "k");
    cluster.change_bundles(|records| records.federated = vec![other.bundle()]);
    updates.changed().await.unwrap();
    let foreign = TrustDomain::new("other.test").unwrap();
    assert!(x509.try_bundle_for_trust_domain(&foreign).is_some());

    let jwt = JwtSource::builder().endpoint(&endpoint).build().await.unwrap();
    let svid = jwt.fetch_jwt_svid(["a"]).await.unwrap();
    assert_eq!(svid.spiffe_id().to_string(), spiffe_id("s-1"));
    assert!(jwt.try_bundle_for_trust_domain(&own).is_some());
    let client = WorkloadApiClient::connect_to(&endpoint).await.unwrap();
    client.validate_jwt_token("a", svid.token()).await.unwrap();
    client.validate_jwt_token("b", svid.token()).await.unwrap_err();
    x509.shutdown().await;
    jwt.shutdown().await;
    proxy.stop().await;
}
