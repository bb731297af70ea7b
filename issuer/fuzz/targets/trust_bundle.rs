//! The document of a trust bundle: what is taken is read again as it was written, in the same bytes, and so is each view
//! of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::trust_domain;
use moneyer_identity::KeySet;
use moneyer_identity::spiffe::TrustBundle;

fuzz_target!(|data: &[u8]| {
    let Ok(bundle) = TrustBundle::parse(trust_domain(), data) else { return };
    let document = bundle.to_document();
    let again = TrustBundle::parse(trust_domain(), document.as_bytes()).expect("what we write");
    assert_eq!(again, bundle);
    assert_eq!(again.to_document(), document);
    assert_eq!(again.content_digest().as_str(), bundle.content_digest().as_str());
    KeySet::parse(bundle.to_jwks().as_bytes()).expect("stock libraries read the keys");
    assert_eq!(
        bundle.to_pem().matches("BEGIN CERTIFICATE").count(),
        bundle.x509_authorities().len()
    );
    let kids = serde_json::from_str::<serde_json::Value>(&bundle.to_workload_jwks()).expect("JSON")
        ["keys"]
        .as_array()
        .expect("a list that is never null")
        .iter()
        .filter_map(|key| key["kid"].as_str().map(str::to_owned))
        .collect::<Vec<_>>();
    assert_eq!(kids.len(), bundle.jwt_authorities().len());
});
