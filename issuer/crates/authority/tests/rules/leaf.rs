//! Certificates that name nobody (X509-SVID section 5; threats A 4 to 6).

use moneyer_authority::enrollment::{LeafError, PeerLeaf};
use moneyer_testkit::{LeafForm, TestCa};

const RUNNER: &str = "spiffe://id.example.com/moneyer/runner/runner-1";

/// `subjectAltName`.
const NAMES: [u64; 4] = [2, 5, 29, 17];

fn parse(form: &LeafForm) -> Result<PeerLeaf, LeafError> {
    PeerLeaf::parse(&TestCa::default().leaf(form))
}

fn named(uris: &[&str]) -> LeafForm {
    let uris = uris.iter().map(|&uri| uri.to_owned()).collect();
    LeafForm { uris, ..LeafForm::default() }
}

#[test]
fn a_leaf_with_one_spiffe_id_names_it() {
    let leaf = parse(&named(&[RUNNER])).unwrap();
    assert_eq!(leaf.id().as_str(), RUNNER);
    assert_eq!(leaf.not_after(), LeafForm::default().not_after);
    let with_dns = LeafForm { dns: vec!["runner-1".to_owned()], ..named(&[RUNNER]) };
    assert_eq!(parse(&with_dns).unwrap().id().as_str(), RUNNER, "a DNS name counts for nothing");
}

#[test]
fn exactly_one_uri_is_needed() {
    let dns = LeafForm { dns: vec!["runner-1".to_owned()], ..LeafForm::default() };
    for form in [named(&[]), named(&[RUNNER, RUNNER]), named(&[RUNNER, "https://a"]), dns] {
        assert!(matches!(parse(&form), Err(LeafError::Names)), "{form:?}");
    }
}

#[test]
fn two_name_extensions_are_not_one() {
    // GeneralNames with one URI: 0x86 is the context tag of uniformResourceIdentifier.
    let mut der = vec![0x30, u8::try_from(RUNNER.len() + 2).unwrap(), 0x86];
    der.push(u8::try_from(RUNNER.len()).unwrap());
    der.extend_from_slice(RUNNER.as_bytes());
    let extension = Some((NAMES.to_vec(), der));
    let alone = LeafForm { extension: extension.clone(), ..LeafForm::default() };
    assert_eq!(parse(&alone).unwrap().id().as_str(), RUNNER);
    let beside = LeafForm { extension, ..named(&[RUNNER]) };
    assert!(matches!(parse(&beside), Err(LeafError::Malformed(_))));
}

#[test]
fn an_authority_is_no_peer() {
    for form in [
        LeafForm { authority: true, ..named(&[RUNNER]) },
        LeafForm { signs_certificates: true, ..named(&[RUNNER]) },
    ] {
        assert!(matches!(parse(&form), Err(LeafError::Authority)), "{form:?}");
    }
}

#[test]
fn the_uri_must_be_a_spiffe_id() {
    for uri in [
        "https://id.example.com/moneyer/runner/runner-1",
        "SPIFFE://id.example.com/moneyer/runner/runner-1",
        "spiffe://id.example.com/moneyer/runner/../runner-1",
        "spiffe://id.example.com/moneyer/runner/%72unner-1",
        "spiffe://id.example.com/moneyer/runner/runner-1/",
        "spiffe://id.example.com:8443/moneyer/runner/runner-1",
        "spiffe://user@id.example.com/moneyer/runner/runner-1",
        "spiffe://id.example.com/moneyer/runner/runner-1?x",
        "spiffe://ID.example.com/moneyer/runner/runner-1",
    ] {
        assert!(matches!(parse(&named(&[uri])), Err(LeafError::SpiffeId(_))), "{uri}");
    }
}

#[test]
fn a_trust_domain_is_no_member() {
    let refused = parse(&named(&["spiffe://id.example.com"]));
    assert!(matches!(refused, Err(LeafError::NoWorkload)), "{refused:?}");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let good = TestCa::default().leaf(&named(&[RUNNER]));
    let mut followed = good.clone();
    followed.push(0);
    let cut = good[..good.len() - 1].to_vec();
    let broken_names =
        LeafForm { extension: Some((NAMES.to_vec(), vec![0x30, 0x7f])), ..named(&[]) };
    let broken_names = TestCa::default().leaf(&broken_names);
    for bad in [Vec::new(), vec![0x30], b"certificate".to_vec(), followed, cut, broken_names] {
        let refused = PeerLeaf::parse(&bad);
        assert!(matches!(refused, Err(LeafError::Malformed(_))), "{bad:x?} {refused:?}");
    }
}
