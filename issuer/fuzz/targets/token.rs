//! Tokens of an issuer, before and after verification. The input is a header and claims on two lines, which are signed by
//! the issuer's own key, or a token as it is.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::{NOW, forge, text, two};
use moneyer_identity::{Audience, Expectations, IssuerUrl, KeySet, UnverifiedToken, Verifier};
use serde_json::Value;

const ISSUER: &str = "https://id.example";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = KeySet::new(vec![forge::verifying_key()]).expect("a key set");
    Verifier::new(ISSUER.parse::<IssuerUrl>().expect("an issuer"), keys)
});

fn look(token: &str) {
    let Ok(unverified) = UnverifiedToken::parse(token) else { return };
    let _ = (unverified.algorithm(), unverified.key_id(), unverified.issuer());
}

fuzz_target!(|data: &[u8]| {
    let verifier = &*VERIFIER;
    let expected = Expectations::exactly("a".parse::<Audience>().expect("an audience"));
    if let Some(text) = text(data) {
        look(text);
        // Nobody forges a signature.
        assert!(verifier.verify(text, &expected, NOW).is_err());
    }
    let Some((header, claims)) = two(data) else { return };
    let token = forge::token(header, claims);
    look(&token);
    let Ok(verified) = verifier.verify(&token, &expected, NOW) else { return };
    let unverified = UnverifiedToken::parse(&token).expect("it was read before");
    assert_eq!(unverified.issuer().as_deref(), Some(ISSUER));
    assert_eq!(unverified.key_id(), verified.key_id());
    let header: Value = serde_json::from_slice(header).expect("a header");
    let claims: Value = serde_json::from_slice(claims).expect("claims");
    assert_eq!(header, serde_json::json!({ "alg": "ES256", "kid": forge::KID, "typ": "JWT" }));
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], verified.subject());
    assert!(claims["aud"] == "a" || claims["aud"] == serde_json::json!(["a"]));
    assert!(verified.issued_at() <= NOW && NOW < verified.expires_at());
});
