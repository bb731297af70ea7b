//! What holds for every input: parsers answer and never panic, and what was written is read again.
//!
//! A long run: `PROPTEST_CASES=1000000 cargo test --test spiffe properties`.

use std::sync::LazyLock;
use std::time::Duration;

use moneyer_identity::spiffe::{
    SpiffeId, TrustBundle, TrustBundles, TrustDomain, VerifiedX509Svid, X509Authority, X509Leaf,
};
use openssl::nid::Nid;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::{Value, json};

use super::forge::{Ca, DOMAIN, Form, NOW, domain, ec, fixture, jwt_entry, p256, with};
use super::forge_token::Issuer;
use super::x509_svids::{bundles, der, leaf};

/// Entries of every kind, known and not.
static ENTRIES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    vec![
        jwt_entry(&fixture("rsa-2048-a"), "a"),
        jwt_entry(&fixture("rsa-3072"), "b"),
        jwt_entry(&p256(), "c"),
        jwt_entry(&ec(Nid::SECP384R1), "d"),
        jwt_entry(&ec(Nid::SECP521R1), "e"),
        Ca::new("one").entry(),
        Ca::new("two").entry(),
        jwt_entry(&fixture("ed25519-a"), "f"),
        with(jwt_entry(&p256(), "g"), json!({"use": "future-svid"})),
        json!({"kty": "oct", "k": "c2VjcmV0", "use": "jwt-svid", "kid": "h"}),
    ]
});

fn document() -> impl Strategy<Value = String> {
    let entries = subsequence(ENTRIES.clone(), 0..=ENTRIES.len()).prop_shuffle();
    let number = proptest::option::of(any::<u64>());
    (entries, number.clone(), number).prop_map(|(entries, sequence, hint)| {
        let mut document = json!({ "keys": entries });
        for (name, number) in [("spiffe_sequence", sequence), ("spiffe_refresh_hint", hint)] {
            if let Some(number) = number {
                document[name] = number.into();
            }
        }
        document.to_string()
    })
}

/// One of the samples after a few bytes were changed, taken out, put in or doubled.
fn mutated(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>(), 0..5_u8, any::<Index>());
    (any::<Index>(), prop::collection::vec(change, 1..8)).prop_map(move |(sample, changes)| {
        let mut bytes = sample.get(&samples).clone();
        for (place, byte, kind, other) in changes {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] ^= 1 << (byte % 8),
                1 => bytes[place] = byte,
                2 => bytes.insert(place, byte),
                3 => drop(bytes.remove(place)),
                _ => {
                    let (from, to) = (place, other.index(bytes.len()));
                    let piece = bytes[from.min(to)..from.max(to)].to_vec();
                    bytes.extend(piece);
                }
            }
        }
        bytes
    })
}

static BUNDLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let document = json!({ "keys": *ENTRIES, "spiffe_sequence": 7, "spiffe_refresh_hint": 300 });
    let map = json!({"trust_domains": {"example.org": document, "example.com": {"keys": []}}});
    vec![document.to_string().into_bytes(), map.to_string().into_bytes(), b"{\"keys\":[]}".to_vec()]
});

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::default);

static TOKENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let of = |header, claims| ISSUER.token(header, claims).into_bytes();
    vec![
        of(json!({}), json!({})),
        of(json!({"typ": null}), json!({"aud": "x", "nbf": 1.5, "x": {"y": [null]}})),
        of(json!({"alg": "PS512", "kid": "rsa", "jku": "x"}), json!({"sub": "spiffe://a"})),
    ]
});

static CA: LazyLock<Ca> = LazyLock::new(|| Ca::new("root"));

static CERTIFICATES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let of = |form: &Form| der(form, &CA);
    vec![
        of(&leaf()),
        of(&Form { uris: vec![], dns: vec!["a".to_owned()], ..leaf() }),
        of(&Form { extended: None, usage: None, authority: None, ..leaf() }),
        CA.der(),
    ]
});

fn read_bundle(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(bundle) = TrustBundle::parse(domain(DOMAIN), bytes) {
        let again = TrustBundle::parse(domain(DOMAIN), bundle.to_document().as_bytes());
        prop_assert_eq!(again.unwrap(), bundle);
    }
    if let Ok(map) = TrustBundles::parse(bytes) {
        prop_assert_eq!(TrustBundles::parse(map.to_document().as_bytes()).unwrap(), map);
    }
    Ok(())
}

fn read_certificate(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (svid, peer) = (X509Leaf::of_svid(bytes), X509Leaf::of_peer(bytes));
    if let Ok(svid) = svid {
        prop_assert_eq!(peer, Ok(svid), "a whole SVID is a peer");
    }
    if let Ok(authority) = X509Authority::parse(bytes) {
        prop_assert_eq!(authority.der(), bytes);
    }
    let verified = VerifiedX509Svid::verify(&[bytes, &CA.der()], &bundles(&[&CA]), NOW);
    if let Ok(verified) = verified {
        prop_assert!(CERTIFICATES.iter().any(|good| good == bytes), "{:?}", verified);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_bundle_that_is_read_is_written_and_read_the_same(text in document()) {
        let bundle = TrustBundle::parse(domain(DOMAIN), text.as_bytes()).unwrap();
        let written = bundle.to_document();
        let again = TrustBundle::parse(domain(DOMAIN), written.as_bytes()).unwrap();
        prop_assert_eq!(&again, &bundle);
        prop_assert_eq!(again.to_document(), written);
        prop_assert_eq!(again.content_digest(), bundle.content_digest());
        let other = bundle.clone().with_sequence(bundle.sequence().unwrap_or(0) ^ 1);
        prop_assert_eq!(other.content_digest(), bundle.content_digest());
        let map: TrustBundles = [bundle.clone()].into_iter().collect();
        let map = TrustBundles::parse(map.to_document().as_bytes()).unwrap();
        let found = TrustBundle::clone(map.find(&domain(DOMAIN)).unwrap());
        let hinted = match bundle.refresh_hint() {
            Some(hint) => found.with_refresh_hint(hint),
            None => found,
        };
        prop_assert_eq!(hinted, bundle);
    }

    #[test]
    fn the_order_of_entries_is_no_content(text in document(), seed in any::<u64>()) {
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let bundle = TrustBundle::parse(domain(DOMAIN), text.as_bytes()).unwrap();
        let entries = document["keys"].as_array_mut().unwrap();
        let places = u64::try_from(entries.len().max(1)).unwrap();
        entries.rotate_left(usize::try_from(seed % places).unwrap());
        let turned = TrustBundle::parse(domain(DOMAIN), document.to_string().as_bytes()).unwrap();
        prop_assert_eq!(turned.to_document(), bundle.to_document());
    }

    #[test]
    fn a_hint_is_whole_seconds(millis in any::<u32>()) {
        let bundle = TrustBundle::new(domain(DOMAIN), vec![], vec![]).unwrap();
        let bundle = bundle.with_refresh_hint(Duration::from_millis(millis.into()));
        let again = TrustBundle::parse(domain(DOMAIN), bundle.to_document().as_bytes()).unwrap();
        prop_assert_eq!(again, bundle);
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        read_bundle(&bytes)?;
        read_certificate(&bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(ISSUER.verify(&text).is_err());
    }

    #[test]
    fn no_text_makes_an_id_that_is_not_itself(text in "\\PC{0,40}|spiffe://[a-z./%?#:@A-Z_-]{0,40}") {
        if let Ok(id) = SpiffeId::parse(&text) {
            prop_assert_eq!(id.as_str(), &text);
            let segments: Vec<_> = id.segments().collect();
            prop_assert_eq!(SpiffeId::of(id.trust_domain(), &segments).unwrap(), id.clone());
        }
        if let Ok(domain) = TrustDomain::parse(&text) {
            prop_assert_eq!(domain.as_str(), text);
        }
    }

    #[test]
    fn no_mutated_bundle_makes_a_parser_panic(bytes in mutated(BUNDLES.clone())) {
        read_bundle(&bytes)?;
    }

    #[test]
    fn no_mutated_certificate_makes_a_parser_panic_or_proves_anything(
        bytes in mutated(CERTIFICATES.clone()),
    ) {
        read_certificate(&bytes)?;
    }

    #[test]
    fn no_mutated_token_makes_the_check_panic_or_proves_anything(bytes in mutated(TOKENS.clone())) {
        let text = String::from_utf8_lossy(&bytes);
        if ISSUER.verify(&text).is_ok() {
            prop_assert!(TOKENS.contains(&bytes), "{}", text);
        }
    }
}
