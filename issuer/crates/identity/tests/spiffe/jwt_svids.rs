//! Checking JWT-SVIDs: J-1 to J-12, ID-8 and ID-9.

use std::time::Duration;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::JwtSvidError::{
    Algorithm, Audiences, Expired, Header, KeyAlgorithm, Malformed, NoAudience, NoKeyId, NoSubject,
    NoWorkload, NotYetValid, OtherAudience, Signature, Subject, Time, TooLong, UnknownKey,
    UnknownTrustDomain,
};
use moneyer_identity::spiffe::{
    JwtSvidRules, MAXIMUM_LEEWAY, RuleError, SpiffeIdError, SvidAlgorithm, TrustBundles,
};
use moneyer_identity::{KeySet, MAXIMUM_TOKEN_BYTES};
use serde_json::{Value, json};

use super::forge::{DOMAIN, NOW, domain, fixture, jwk, jwt_entry, p256, with};
use super::forge_token::{
    AUDIENCE, ID, Issuer, bundle, encode, good_claims, good_header, only, raw, rules, sign,
};

#[test]
fn a_good_token_says_whose_it_is() {
    let issuer = Issuer::default();
    let token =
        issuer.token(json!({}), json!({"example.org/team": {"a": [1]}, "iss": "https://i"}));
    let svid = issuer.verify(&token).unwrap();
    assert_eq!((svid.id().as_str(), svid.audiences()), (ID, &[AUDIENCE.to_owned()][..]));
    assert_eq!((svid.expires_at().0, svid.key_id().as_str()), (NOW.0 + 300, "p256"));
    assert_eq!(svid.claims()["example.org/team"], json!({"a": [1]}));
}

#[test]
fn j1_only_compact_serialisation_is_read() {
    let issuer = Issuer::default();
    let token = issuer.token(json!({}), json!({}));
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{token}") };
    let flat = json!({"protected": header, "payload": payload, "signature": signature});
    for bad in [
        flat.to_string(),
        json!({"payload": payload, "signatures": [flat]}).to_string(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{token}.{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}="),
        format!("Bearer {token}"),
        format!("{}.{payload}.{signature}", encode("[]")),
        String::new(),
    ] {
        issuer.refuses(&bad, &Malformed);
    }
    let twice = r#"{"alg":"ES256","kid":"p256","kid":"p256"}"#;
    let key = issuer.key("p256");
    issuer.refuses(&raw(key, "ES256", twice, &good_claims().to_string()), &Malformed);
    let twice = format!(r#"{{"sub":"{ID}","\u0073ub":"{ID}"}}"#);
    issuer.refuses(&raw(key, "ES256", &good_header().to_string(), &twice), &Malformed);
}

#[test]
fn j2_the_header_is_a_closed_set() {
    let issuer = Issuer::default();
    for extra in
        ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "cty", "zip", "b64", "ALG", ""]
    {
        let token = issuer.token(json!({extra: "x"}), json!({}));
        issuer.refuses(&token, &Header);
    }
}

#[test]
fn j3_every_algorithm_of_the_standard_verifies_and_no_other_is_read() {
    let issuer = Issuer::default();
    for algorithm in SvidAlgorithm::ALL {
        let name = algorithm.as_str();
        let kid = Issuer::kid_for(name);
        let header = json!({"alg": name, "kid": kid}).to_string();
        let token = raw(issuer.key(kid), name, &header, &good_claims().to_string());
        assert_eq!(issuer.verify(&token).unwrap().key_id().as_str(), kid, "{name}");
        assert!(only(algorithm).verify(&token, &issuer.bundles, NOW).is_ok(), "{name}");
        let others = SvidAlgorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        let others = rules().with_algorithms(others).unwrap();
        assert_eq!(others.verify(&token, &issuer.bundles, NOW).unwrap_err(), Algorithm, "{name}");
    }
    for name in
        ["EdDSA", "Ed25519", "HS256", "none", "None", "RS1", "ES256K", "es256", "", "ML-DSA-44"]
    {
        issuer.refuses(&issuer.token(json!({"alg": name}), json!({})), &Algorithm);
    }
    for other in [json!(null), json!(7), json!(["ES256"])] {
        issuer.refuses(&issuer.token(json!({"alg": other}), json!({})), &Algorithm);
    }
}

#[test]
fn j3_the_algorithm_is_one_of_the_keys_own() {
    let issuer = Issuer::default();
    for (kid, name) in [
        ("rsa", "ES256"),
        ("p256", "RS256"),
        ("p256", "ES384"),
        ("p384", "ES256"),
        ("p384", "ES512"),
        ("p521", "PS512"),
    ] {
        let header = json!({"alg": name, "kid": kid}).to_string();
        let token = raw(issuer.key(kid), "RS256", &header, &good_claims().to_string());
        issuer.refuses(&token, &KeyAlgorithm);
    }
    // A key that names its algorithm has no other, and one of ours is used with its own alone.
    let key = fixture("rsa-2048-a");
    let entry = with(jwt_entry(&key, "rsa"), json!({"alg": "PS256"}));
    let foreign: TrustBundles = [bundle(DOMAIN, &[entry])].into_iter().collect();
    let header = json!({"alg": "RS256", "kid": "rsa"}).to_string();
    let token = raw(&key, "RS256", &header, &good_claims().to_string());
    assert_eq!(rules().verify(&token, &foreign, NOW).unwrap_err(), KeyAlgorithm);
}

#[test]
fn j3_a_legacy_key_of_ours_verifies_no_svid() {
    use moneyer_identity::spiffe::{JwtAuthority, TrustBundle};
    let names = ["rsa-2048-a", "ed25519-a"];
    let keys = names.map(|name| super::forge::verifying_key(&fixture(name)));
    let keys = KeySet::new(keys.to_vec()).unwrap();
    let own = TrustBundle::new(domain(DOMAIN), vec![], JwtAuthority::of_keys(&keys)).unwrap();
    let bundles: TrustBundles = [own].into_iter().collect();
    let token = |name: &str, alg: &str, kid: &str| {
        let header = json!({"alg": alg, "kid": kid, "typ": "JWT"}).to_string();
        raw(&fixture(name), alg, &header, &good_claims().to_string())
    };
    let kids: Vec<_> = keys.iter().map(|key| key.key_id().as_str().to_owned()).collect();
    let verify = |token: &str| rules().verify(token, &bundles, NOW);
    assert!(verify(&token("rsa-2048-a", "RS256", &kids[0])).is_ok());
    assert_eq!(verify(&token("rsa-2048-a", "PS256", &kids[0])).unwrap_err(), KeyAlgorithm);
    assert_eq!(verify(&token("ed25519-a", "EdDSA", &kids[1])).unwrap_err(), Algorithm);
    let disguised = verify(&token("ed25519-a", "RS256", &kids[1])).unwrap_err();
    assert!(matches!(disguised, UnknownKey { .. }), "{disguised}");
}

#[test]
fn j4_a_token_names_its_key() {
    let issuer = Issuer::default();
    for kid in [json!(null), json!(""), json!(7), json!("a b"), json!("k".repeat(1025))] {
        issuer.refuses(&issuer.token(json!({"kid": kid}), json!({})), &NoKeyId);
    }
    for kid in ["other", "P256", "p256 "] {
        let why = issuer.verify(&issuer.token(json!({"kid": kid}), json!({}))).unwrap_err();
        assert!(matches!(why, UnknownKey { .. } | NoKeyId), "{kid} {why}");
    }
    let other_key = issuer.token(json!({"kid": "rsa", "alg": "RS256"}), json!({}));
    issuer.refuses(&other_key, &Signature);
}

#[test]
fn j5_the_type_is_absent_or_jwt_or_jose() {
    let issuer = Issuer::default();
    for good in [json!(null), json!("JWT"), json!("JOSE")] {
        assert!(issuer.verify(&issuer.token(json!({"typ": good}), json!({}))).is_ok(), "{good}");
    }
    for bad in ["at+jwt", "jwt", "JWS", "wit+jwt", "", "JWT "] {
        issuer.refuses(&issuer.token(json!({"typ": bad}), json!({})), &Header);
    }
    issuer.refuses(&issuer.token(json!({"typ": ["JWT"]}), json!({})), &Header);
}

#[test]
fn j6_the_subject_is_a_workloads_spiffe_id() {
    let issuer = Issuer::default();
    let of = |sub: Value| issuer.token(json!({}), json!({"sub": sub}));
    for missing in [json!(null), json!(7), json!([ID])] {
        issuer.refuses(&of(missing), &NoSubject);
    }
    issuer.refuses(&of(json!("")), &Subject(SpiffeIdError::Scheme));
    issuer.refuses(&of(json!("org:acme:app:web")), &Subject(SpiffeIdError::Scheme));
    issuer.refuses(&of(json!("spiffe://example.org/a/../b")), &Subject(SpiffeIdError::Segment));
    issuer.refuses(&of(json!("spiffe://example.org/")), &Subject(SpiffeIdError::Segment));
    // No folding of case: a policy that matched before it would match another id after it (ID-1).
    issuer.refuses(&of(json!("SPIFFE://example.org/a")), &Subject(SpiffeIdError::Scheme));
    let upper = issuer.verify(&of(json!("spiffe://Example.org/a"))).unwrap_err();
    assert!(matches!(upper, Subject(SpiffeIdError::TrustDomain(_))), "{upper}");
}

#[test]
fn id8_a_trust_domain_is_no_workload() {
    let issuer = Issuer::default();
    issuer.refuses(&issuer.token(json!({}), json!({"sub": "spiffe://example.org"})), &NoWorkload);
}

#[test]
fn j7_the_audience_is_present_and_the_verifiers_own() {
    let issuer = Issuer::default();
    let of = |aud: Value| issuer.token(json!({}), json!({"aud": aud}));
    for none in [json!(null), json!([]), json!(""), json!([""]), json!(["", ""])] {
        issuer.refuses(&of(none), &NoAudience);
    }
    for other in [json!("other"), json!(["other", "another"]), json!(format!("{AUDIENCE}/"))] {
        issuer.refuses(&of(other), &OtherAudience);
    }
    for odd in [json!(7), json!({}), json!([AUDIENCE, 7]), json!([[AUDIENCE]])] {
        issuer.refuses(&of(odd), &Audiences);
    }
    let many = |count: usize| {
        let mut many = vec!["a"; count];
        many[0] = AUDIENCE;
        of(json!(many))
    };
    assert!(issuer.verify(&many(32)).is_ok());
    issuer.refuses(&many(33), &Audiences);
    assert!(issuer.verify(&of(json!([AUDIENCE, "a".repeat(2048)]))).is_ok());
    issuer.refuses(&of(json!([AUDIENCE, "a".repeat(2049)])), &Audiences);
    let several = JwtSvidRules::for_audiences(["one", "two"]).unwrap();
    for audience in ["one", "two"] {
        assert!(several.verify(&of(json!(audience)), &issuer.bundles, NOW).is_ok());
    }
}

#[test]
fn j8_the_expiry_is_mandatory_and_has_not_come() {
    let issuer = Issuer::default();
    let of = |exp: Value| issuer.token(json!({}), json!({"exp": exp}));
    for bad in
        [json!(null), json!("1800000300"), json!(-1), json!(1e300), json!(i64::MAX), json!([])]
    {
        issuer.refuses(&of(bad), &Time);
    }
    let not_a_number = format!(r#"{{"sub":"{ID}","aud":"{AUDIENCE}","exp":1e999}}"#);
    let token = raw(issuer.key("p256"), "ES256", &good_header().to_string(), &not_a_number);
    assert!(issuer.verify(&token).is_err());
    issuer.refuses(&of(json!(NOW.0)), &Expired);
    issuer.refuses(&of(json!(0)), &Expired);
    assert!(issuer.verify(&of(json!(NOW.0 + 1))).is_ok());
    // A NumericDate may have a fraction: it never makes the token live longer.
    issuer.refuses(&of(json!(1_800_000_000.9_f64)), &Expired);
    assert_eq!(
        issuer.verify(&of(json!(1.800_000_300_5e9_f64))).unwrap().expires_at().0,
        NOW.0 + 300
    );
}

#[test]
fn j8_leeway_is_small_and_chosen() {
    let issuer = Issuer::default();
    let at = |exp: i64, leeway| {
        let token = issuer.token(json!({}), json!({"exp": exp}));
        rules().with_leeway(leeway).unwrap().verify(&token, &issuer.bundles, NOW).map(|_| ())
    };
    assert_eq!(at(NOW.0 - 59, MAXIMUM_LEEWAY), Ok(()));
    assert_eq!(at(NOW.0 - 60, MAXIMUM_LEEWAY), Err(Expired));
    assert_eq!(at(NOW.0 - 1, Duration::ZERO), Err(Expired));
    let more = MAXIMUM_LEEWAY + Duration::from_secs(1);
    assert_eq!(rules().with_leeway(more).unwrap_err(), RuleError::Leeway);
}

#[test]
fn j9_optional_claims_may_be_there_and_times_among_them_count() {
    let issuer = Issuer::default();
    let of = |claims| issuer.verify(&issuer.token(json!({}), claims)).map(|_| ());
    assert_eq!(of(json!({"iat": null})), Ok(()));
    assert_eq!(of(json!({"nbf": NOW.0, "jti": "a", "iss": "x", "example.org/a": null})), Ok(()));
    assert_eq!(of(json!({"nbf": NOW.0 + 1})), Err(NotYetValid));
    assert_eq!(of(json!({"nbf": 1_800_000_000.1_f64})), Err(NotYetValid));
    assert_eq!(of(json!({"nbf": "soon"})), Err(Time));
    assert_eq!(of(json!({"iat": {}})), Err(Time));
    let ahead = issuer.token(json!({}), json!({"nbf": NOW.0 + 60}));
    let lenient = rules().with_leeway(MAXIMUM_LEEWAY).unwrap();
    assert!(lenient.verify(&ahead, &issuer.bundles, NOW).is_ok());
    assert!(lenient.verify(&ahead, &issuer.bundles, UnixTime(NOW.0 - 1)).is_err());
}

#[test]
fn j10_only_the_bundle_of_the_subjects_domain_counts() {
    let (mut issuer, stranger) = (Issuer::default(), p256());
    // The same kid in another domain, whose key signed: never pooled.
    issuer.bundles.insert(bundle("other.org", &[jwt_entry(&stranger, "p256")]));
    let claims = |sub: &str| with(good_claims(), json!({"sub": sub})).to_string();
    let signed = |sub: &str| raw(&stranger, "ES256", &good_header().to_string(), &claims(sub));
    issuer.refuses(&signed(ID), &Signature);
    assert!(issuer.verify(&signed("spiffe://other.org/a")).is_ok());
    let unknown = issuer.token(json!({}), json!({"sub": "spiffe://nobody.org/a"}));
    issuer.refuses(&unknown, &UnknownTrustDomain(domain("nobody.org")));
    // Nothing else in the token says whose it is.
    let iss =
        issuer.token(json!({}), json!({"sub": "spiffe://nobody.org/a", "iss": "example.org"}));
    issuer.refuses(&iss, &UnknownTrustDomain(domain("nobody.org")));
    issuer.bundles.insert(bundle("empty.org", &[]));
    let empty = issuer.token(json!({}), json!({"sub": "spiffe://empty.org/a"}));
    let why = issuer.verify(&empty).unwrap_err();
    assert!(matches!(why, UnknownKey { .. }), "B-1: an empty bundle trusts nothing: {why}");
}

#[test]
fn id9_an_svid_of_one_domain_signed_by_another_is_refused() {
    let mut issuer = Issuer::default();
    let stranger = p256();
    issuer.bundles.insert(bundle("evil.org", &[jwt_entry(&stranger, "evil")]));
    let header = json!({"alg": "ES256", "kid": "evil"}).to_string();
    let why = issuer.verify(&raw(&stranger, "ES256", &header, &good_claims().to_string()));
    assert!(matches!(why, Err(UnknownKey { trust_domain, .. }) if trust_domain == domain(DOMAIN)));
}

#[test]
fn j12_a_single_audience_may_be_a_text() {
    let issuer = Issuer::default();
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["a", AUDIENCE]), json!(["", AUDIENCE])] {
        assert!(issuer.verify(&issuer.token(json!({}), json!({"aud": aud}))).is_ok(), "{aud}");
    }
}

#[test]
fn every_changed_part_breaks_the_signature() {
    let issuer = Issuer::default();
    for algorithm in SvidAlgorithm::ALL {
        let name = algorithm.as_str();
        let kid = Issuer::kid_for(name);
        let key = issuer.key(kid);
        let input = |sub: &str| {
            let claims = with(good_claims(), json!({"sub": sub}));
            format!(
                "{}.{}",
                encode(json!({"alg": name, "kid": kid}).to_string()),
                encode(claims.to_string())
            )
        };
        let good = sign(key, name, input(ID).as_bytes());
        let token = |input: String, signature: &[u8]| format!("{input}.{}", encode(signature));
        assert!(issuer.verify(&token(input(ID), &good)).is_ok());
        issuer.refuses(&token(input("spiffe://example.org/admin"), &good), &Signature);
        let mut flipped = good.clone();
        flipped[0] ^= 1;
        let cut = good.get(1..).unwrap();
        let longer = [&good[..], &[0]].concat();
        let zeros = vec![0; good.len()];
        for bad in [&flipped, cut, &longer, &zeros, &[0]] {
            issuer.refuses(&token(input(ID), bad), &Signature);
        }
    }
}

#[test]
fn an_rsa_signature_is_as_long_as_its_modulus() {
    let issuer = Issuer::default();
    let header = encode(json!({"alg": "PS256", "kid": "rsa"}).to_string());
    let input = format!("{header}.{}", encode(good_claims().to_string()));
    let signatures = (0..5000).map(|_| sign(issuer.key("rsa"), "PS256", input.as_bytes()));
    let good = signatures.into_iter().find(|signature| signature[0] == 0).unwrap();
    assert!(issuer.verify(&format!("{input}.{}", encode(&good))).is_ok());
    issuer.refuses(&format!("{input}.{}", encode(&good[1..])), &Signature);
    issuer.refuses(&format!("{input}.{}", encode([&[0], &good[..]].concat())), &Signature);
}

#[test]
fn an_hmac_with_a_public_key_is_no_signature() {
    let issuer = Issuer::default();
    let header = encode(json!({"alg": "HS256", "kid": "rsa"}).to_string());
    let public = jwk(issuer.key("rsa")).to_string();
    let token = format!("{header}.{}.{}", encode(good_claims().to_string()), encode(public));
    issuer.refuses(&token, &Algorithm);
}

#[test]
fn a_token_is_read_up_to_its_limit_and_not_one_byte_past_it() {
    let issuer = Issuer::default();
    let of = |filler: usize| issuer.token(json!({}), json!({"x": "x".repeat(filler)}));
    let overhead = of(0).len();
    let filler = (MAXIMUM_TOKEN_BYTES - overhead) / 4 * 3;
    let longest = (filler - 4..).map(of).take_while(|token| token.len() <= MAXIMUM_TOKEN_BYTES);
    assert!(issuer.verify(&longest.last().unwrap()).is_ok());
    issuer.refuses(&"x".repeat(MAXIMUM_TOKEN_BYTES + 1), &TooLong);
    issuer.refuses(&"x".repeat(MAXIMUM_TOKEN_BYTES), &Malformed);
}

#[test]
fn rules_without_an_audience_or_an_algorithm_are_none() {
    for bad in [vec![], vec![""], vec!["a", ""]] {
        assert_eq!(JwtSvidRules::for_audiences(bad).unwrap_err(), RuleError::Audience);
    }
    assert_eq!(rules().with_algorithms(vec![]).unwrap_err(), RuleError::Algorithm);
}
