//! Maps of bundles: what is taken is read again as it was written, and each bundle is found by its own trust domain.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_identity::spiffe::TrustBundles;

fuzz_target!(|data: &[u8]| {
    let Ok(bundles) = TrustBundles::parse(data) else { return };
    let document = bundles.to_document();
    let again = TrustBundles::parse(document.as_bytes()).expect("what we write");
    assert_eq!(again, bundles);
    assert_eq!(again.to_document(), document);
    for bundle in bundles.iter() {
        let found = bundles.find(bundle.trust_domain()).expect("it is there");
        assert_eq!(&**found, bundle);
    }
});
