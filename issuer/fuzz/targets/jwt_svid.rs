//! JWT-SVIDs. The input is a header and claims on two lines, which are signed by the trust domain's own key, or a token
//! as it is. What is accepted is what the standard's words say, read once more by another JSON reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::{NOW, bundles, forge, text, trust_domain, two};
use moneyer_identity::spiffe::JwtSvidRules;
use serde_json::Value;

const AUDIENCE: &str = "a";

fuzz_target!(|data: &[u8]| {
    let rules = JwtSvidRules::for_audiences([AUDIENCE]).expect("rules");
    if let Some(text) = text(data) {
        // Nobody forges a signature.
        assert!(rules.verify(text, bundles(), NOW).is_err());
    }
    let Some((header, claims)) = two(data) else { return };
    let Ok(svid) = rules.verify(&forge::token(header, claims), bundles(), NOW) else { return };
    let header: Value = serde_json::from_slice(header).expect("a header");
    let claims: Value = serde_json::from_slice(claims).expect("claims");
    assert!(
        header
            .as_object()
            .expect("an object")
            .keys()
            .all(|name| ["alg", "kid", "typ"].contains(&name.as_str()))
    );
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header["kid"], forge::KID);
    assert_eq!(claims["sub"], svid.id().as_str());
    assert_eq!(*svid.id().trust_domain(), trust_domain());
    assert!(svid.id().segments().next().is_some(), "a trust domain is no workload");
    assert!(
        claims["aud"] == AUDIENCE
            || claims["aud"].as_array().expect("a list").contains(&AUDIENCE.into())
    );
    assert!(svid.expires_at() > NOW);
});
