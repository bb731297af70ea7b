//! The messages of the streams, from what is held.

use std::collections::HashMap;

use moneyer_proto::workload::{
    JwtBundlesResponse, X509BundlesResponse, X509svid, X509svidResponse,
};

use crate::coordinator::{BundleView, Bundles};
use crate::svid::X509Svid;

/// The sandbox's SVID, its own domain's certificates and those of the federated domains. `None` while there
/// are no certificates of its own domain, without which the SVID is of no use.
pub(super) fn x509_svid(svid: &X509Svid, bundles: &Bundles) -> Option<X509svidResponse> {
    let own = svid.id.trust_domain();
    let bundle = bundles.x509().of(own).filter(|der| !der.is_empty())?;
    let mut federated_bundles = by_id(bundles.x509());
    federated_bundles.remove(&id(own));
    let svid = X509svid {
        spiffe_id: svid.id.to_string(),
        x509_svid: svid.chain(),
        x509_svid_key: svid.key.expose().to_vec(),
        bundle: bundle.to_vec(),
        hint: String::new(),
    };
    Some(X509svidResponse { svids: vec![svid], crl: Vec::new(), federated_bundles })
}

/// The certificates of every domain.
pub(super) fn x509_bundles(bundles: &Bundles) -> Option<X509BundlesResponse> {
    bundles.x509().of(bundles.own()).filter(|der| !der.is_empty())?;
    Some(X509BundlesResponse { crl: Vec::new(), bundles: by_id(bundles.x509()) })
}

/// The JWK Sets of every domain.
pub(super) fn jwt_bundles(bundles: &Bundles) -> JwtBundlesResponse {
    JwtBundlesResponse { bundles: by_id(bundles.jwt()) }
}

fn by_id(view: &BundleView) -> HashMap<String, Vec<u8>> {
    view.iter().map(|(domain, bytes)| (id(domain), bytes.to_vec())).collect()
}

/// The SPIFFE ID of a trust domain, under which its bundle is told.
fn id(trust_domain: &moneyer_identity::spiffe::TrustDomain) -> String {
    format!("spiffe://{trust_domain}")
}
