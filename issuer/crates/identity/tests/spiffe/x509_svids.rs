//! Reading X.509-SVIDs and verifying their chains, ID-8 and ID-9.

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{
    ChainError, LeafError, MAXIMUM_CHAIN_CERTIFICATES, SpiffeIdError, TrustBundle, TrustBundles,
    VerifiedX509Svid, X509Authority, X509Leaf,
};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::forge::{Ca, DOMAIN, Form, NOW, domain, ec, fixture, p256};

pub(crate) const ID: &str = "spiffe://example.org/app/web";

pub(crate) fn leaf() -> Form {
    Form::leaf(ID)
}

/// The bundles of `example.org` with these roots.
pub(crate) fn bundles(roots: &[&Ca]) -> TrustBundles {
    [bundle(DOMAIN, roots)].into_iter().collect()
}

fn bundle(name: &str, roots: &[&Ca]) -> TrustBundle {
    let roots = roots.iter().map(|ca| X509Authority::parse(&ca.der()).unwrap()).collect();
    TrustBundle::new(domain(name), roots, vec![]).unwrap()
}

pub(crate) fn der(form: &Form, ca: &Ca) -> Vec<u8> {
    form.signed_by(&p256(), &ca.certificate, &ca.key).to_der().unwrap()
}

/// A CA under another.
fn under(issuer: &Ca, form: &Form) -> Ca {
    let key = p256();
    let certificate = form.signed_by(&key, &issuer.certificate, &issuer.key);
    Ca { key, certificate }
}

fn verify(chain: &[Vec<u8>], roots: &[&Ca]) -> Result<VerifiedX509Svid, ChainError> {
    VerifiedX509Svid::verify(chain, &bundles(roots), NOW)
}

/// The same certificate on its own and in a chain: what the profile refuses no root helps.
#[track_caller]
fn refuses(form: &Form, why: &LeafError) {
    let ca = Ca::new("root");
    let der = der(form, &ca);
    assert_eq!(X509Leaf::of_svid(&der).unwrap_err(), *why, "{form:?}");
    let chained = verify(&[der], &[&ca]).unwrap_err();
    assert_eq!(chained, ChainError::Leaf(why.clone()), "{form:?}");
}

#[track_caller]
fn accepts(form: &Form) {
    let ca = Ca::new("root");
    assert_eq!(verify(&[der(form, &ca)], &[&ca]).unwrap().id().as_str(), ID, "{form:?}");
}

#[test]
fn x1_exactly_one_uri_is_named_and_it_is_the_spiffe_id() {
    let named =
        |uris: &[&str]| Form { uris: uris.iter().map(|&uri| uri.to_owned()).collect(), ..leaf() };
    accepts(&Form { dns: vec!["web.example.org".to_owned()], ..leaf() });
    for uris in [&[][..], &[ID, ID], &[ID, "https://example.org"], &["https://a", ID]] {
        let dns = vec!["web".to_owned()];
        refuses(&Form { dns, ..named(uris) }, &LeafError::Names);
    }
    refuses(&named(&["https://example.org/a"]), &LeafError::SpiffeId(SpiffeIdError::Scheme));
    refuses(&named(&["SPIFFE://example.org/a"]), &LeafError::SpiffeId(SpiffeIdError::Scheme));
    for uri in ["spiffe://example.org/a/", "spiffe://example.org/a?x", "spiffe://example.org/%61"] {
        refuses(&named(&[uri]), &LeafError::SpiffeId(SpiffeIdError::Segment));
    }
}

#[test]
fn x1_an_extension_that_stands_twice_is_refused() {
    let ca = Ca::new("root");
    let (key, form) = (p256(), leaf());
    let twice = |first: &str, second: &str| {
        use openssl::x509::extension::SubjectAlternativeName;
        form.signed_by_with(&key, &ca.certificate, &ca.key, |builder| {
            for uri in [first, second] {
                let mut names = SubjectAlternativeName::new();
                let names = names.critical().uri(uri);
                let names = names.build(&builder.x509v3_context(None, None)).unwrap();
                builder.append_extension(names).unwrap();
            }
        })
    };
    for (first, second) in [(ID, ID), (ID, "spiffe://example.org/admin")] {
        let der = twice(first, second).to_der().unwrap();
        assert!(matches!(X509Leaf::of_svid(&der), Err(LeafError::Malformed(_))));
        assert!(matches!(X509Leaf::of_peer(&der), Err(LeafError::Malformed(_))));
        assert!(verify(&[der], &[&ca]).is_err());
    }
}

#[test]
fn x2_a_leaf_has_a_path() {
    refuses(&Form::leaf("spiffe://example.org"), &LeafError::NoWorkload);
}

#[test]
fn id8_a_trust_domain_is_no_peer() {
    let der = der(&Form::leaf("spiffe://example.org"), &Ca::new("root"));
    assert_eq!(X509Leaf::of_peer(&der), Err(LeafError::NoWorkload));
}

#[test]
fn x2_without_a_subject_the_names_are_critical() {
    refuses(&Form { names_are_critical: false, ..leaf() }, &LeafError::NamesNotCritical);
    accepts(&Form { subject: Some("web".to_owned()), names_are_critical: false, ..leaf() });
    accepts(&Form { subject: Some("web".to_owned()), ..leaf() });
}

#[test]
fn x3_a_leaf_says_that_it_is_no_authority() {
    refuses(&Form { authority: Some(true), ..leaf() }, &LeafError::Authority);
    refuses(&Form { authority: None, ..leaf() }, &LeafError::Constraints);
}

#[test]
fn x4_the_key_usage_is_critical_and_signs_no_certificates() {
    let with = |usages: &[&'static str], critical| Form {
        usage: Some((usages.to_vec(), critical)),
        ..leaf()
    };
    accepts(&with(&["digitalSignature", "keyEncipherment", "keyAgreement"], true));
    refuses(&Form { usage: None, ..leaf() }, &LeafError::Usage);
    refuses(&with(&["digitalSignature"], false), &LeafError::Usage);
    refuses(&with(&["keyEncipherment"], true), &LeafError::Usage);
    refuses(&with(&["digitalSignature", "keyCertSign"], true), &LeafError::Authority);
    refuses(&with(&["digitalSignature", "cRLSign"], true), &LeafError::Authority);
}

#[test]
fn x5_an_extended_key_usage_is_for_both_ends_or_absent() {
    accepts(&Form { extended: None, ..leaf() });
    for extended in [(true, false), (false, true), (false, false)] {
        refuses(&Form { extended: Some(extended), ..leaf() }, &LeafError::ExtendedUsage);
    }
}

#[test]
fn x6_an_authority_never_authenticates_a_peer() {
    let ca = Ca::new("root");
    for der in [ca.der(), under(&ca, &Form::authority("below")).der()] {
        assert_eq!(verify(&[der], &[&ca]).unwrap_err(), ChainError::Leaf(LeafError::Authority));
    }
}

#[test]
fn x8_a_path_leads_to_an_authority_of_the_bundle() {
    let root = Ca::new("root");
    let one = under(&root, &Form::authority("one"));
    let two = under(&one, &Form { uris: vec![], ..Form::authority("two") });
    let leaf = der(&leaf(), &two);
    for chain in [
        vec![leaf.clone(), two.der(), one.der()],
        vec![leaf.clone(), one.der(), two.der()],
        vec![leaf.clone(), two.der(), one.der(), root.der()],
    ] {
        assert_eq!(verify(&chain, &[&root]).unwrap().id().as_str(), ID);
    }
    assert!(verify(&[leaf.clone(), two.der()], &[&one]).is_ok(), "an intermediate may be a root");
    for chain in [vec![leaf.clone()], vec![leaf.clone(), two.der()], vec![leaf.clone(), one.der()]]
    {
        assert!(matches!(verify(&chain, &[&root]), Err(ChainError::Path(_))));
    }
    let other = Ca::new("root");
    assert!(matches!(verify(&[leaf, two.der(), one.der()], &[&other]), Err(ChainError::Path(_))));
}

#[test]
fn x8_who_is_no_authority_issues_nothing() {
    let root = Ca::new("root");
    let with_usage = |usage| Form { usage, ..Form::authority("middle") };
    for middle in [
        Form { authority: Some(false), ..Form::authority("middle") },
        Form { authority: None, ..Form::authority("middle") },
        with_usage(Some((vec!["digitalSignature"], true))),
        with_usage(Some((vec!["cRLSign"], true))),
        with_usage(None),
        Form { extended: Some((true, false)), ..Form::authority("middle") },
        Form { validity: (UnixTime(0), UnixTime(NOW.0 - 1)), ..Form::authority("middle") },
        Form::leaf("spiffe://example.org/middle"),
    ] {
        let issuer = under(&root, &Form { subject: Some("middle".to_owned()), ..middle.clone() });
        let chain = [der(&leaf(), &issuer), issuer.der()];
        assert!(matches!(verify(&chain, &[&root]), Err(ChainError::Path(_))), "{middle:?}");
    }
}

#[test]
fn x7_name_constraints_on_uris_are_refused_and_not_passed_over() {
    use openssl::asn1::{Asn1Object, Asn1OctetString};
    use openssl::x509::X509Extension;
    let (root, key) = (Ca::new("root"), p256());
    let constrained = |critical: bool| {
        // permittedSubtrees with one URI, `example.org` (RFC 5280 section 4.2.1.10).
        let der = [&[0x30, 0x11, 0xa0, 0x0f, 0x30, 0x0d, 0x86, 0x0b], &b"example.org"[..]].concat();
        let (oid, der) = (
            Asn1Object::from_str("2.5.29.30").unwrap(),
            Asn1OctetString::new_from_bytes(&der).unwrap(),
        );
        let certificate =
            Form::authority("one").signed_by_with(&key, &root.certificate, &root.key, |builder| {
                let extension = X509Extension::new_from_der(&oid, critical, &der).unwrap();
                builder.append_extension(extension).unwrap();
            });
        Ca { key: key.clone(), certificate }
    };
    for critical in [true, false] {
        let one = constrained(critical);
        let chain = [der(&leaf(), &one), one.der()];
        assert!(matches!(verify(&chain, &[&root]), Err(ChainError::Path(_))), "{critical}");
    }
}

#[test]
fn x8_times_count_for_leaf_and_root() {
    let root = Ca::new("root");
    let der_of = |from: i64, until: i64| {
        let validity = (UnixTime(NOW.0 + from), UnixTime(NOW.0 + until));
        der(&Form { validity, ..leaf() }, &root)
    };
    for (from, until, good) in
        [(-60, 60, true), (0, 60, true), (-60, 0, true), (1, 60, false), (-60, -1, false)]
    {
        let result = verify(&[der_of(from, until)], &[&root]);
        assert_eq!(result.is_ok(), good, "{from} {until}");
    }
    let key = p256();
    let validity = (UnixTime(0), UnixTime(NOW.0 - 1));
    let certificate = Form { validity, ..Form::authority("old") }.self_signed(&key);
    let ended = Ca { key, certificate };
    assert!(verify(&[der(&leaf(), &ended)], &[&ended]).is_err());
    assert!(verify(&[der(&leaf(), &root)], &[&ended, &root]).is_ok());
}

#[test]
fn x8_only_the_roots_of_the_ids_own_domain_count() {
    let (own, other) = (Ca::new("root"), Ca::new("root"));
    let mut bundles = bundles(&[&own]);
    bundles.insert(bundle("evil.org", &[&other]));
    let verify = |der| VerifiedX509Svid::verify(&[der], &bundles, NOW);
    assert!(verify(der(&leaf(), &own)).is_ok());
    assert!(matches!(verify(der(&leaf(), &other)), Err(ChainError::Path(_))));
    assert!(verify(der(&Form::leaf("spiffe://evil.org/a"), &other)).is_ok());
    let unknown = verify(der(&Form::leaf("spiffe://nobody.org/a"), &own)).unwrap_err();
    assert_eq!(unknown, ChainError::UnknownTrustDomain(domain("nobody.org")));
    let nothing = VerifiedX509Svid::verify(
        &[der(&leaf(), &own)],
        &[bundle(DOMAIN, &[])].into_iter().collect(),
        NOW,
    );
    assert!(matches!(nothing, Err(ChainError::Path(_))), "B-1: an empty bundle trusts nothing");
}

#[test]
fn id9_a_leaf_of_one_domain_signed_by_another_is_refused() {
    let (own, other) = (Ca::new("root"), Ca::new("other"));
    let mut bundles = bundles(&[&own]);
    bundles.insert(bundle("evil.org", &[&other]));
    let chain = [der(&leaf(), &other), other.der()];
    let refused = VerifiedX509Svid::verify(&chain, &bundles, NOW);
    assert!(matches!(refused, Err(ChainError::Path(_))));
}

#[test]
fn a_chain_has_a_leaf_and_an_end() {
    let ca = Ca::new("root");
    assert_eq!(verify(&[], &[&ca]).unwrap_err(), ChainError::Empty);
    let of = |length: usize| {
        let mut chain = vec![ca.der(); length];
        chain[0] = der(&leaf(), &ca);
        verify(&chain, &[&ca])
    };
    assert!(of(MAXIMUM_CHAIN_CERTIFICATES).is_ok());
    assert_eq!(of(MAXIMUM_CHAIN_CERTIFICATES + 1).unwrap_err(), ChainError::TooLong);
}

#[test]
fn a_changed_certificate_is_refused() {
    let ca = Ca::new("root");
    let good = der(&leaf(), &ca);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&[bad], &[&ca]).is_err(), "bit {bit}");
    }
}

#[test]
fn every_common_key_of_a_ca_and_of_a_leaf_verifies() {
    let keys: Vec<PKey<Private>> = vec![
        p256(),
        ec(Nid::SECP384R1),
        ec(Nid::SECP521R1),
        fixture("rsa-2048-a"),
        fixture("ed25519-a"),
    ];
    for key in &keys {
        let certificate: X509 = Form::authority("root").self_signed(key);
        let ca = Ca { key: key.clone(), certificate };
        for leaf_key in &keys {
            let leaf = leaf().signed_by(leaf_key, &ca.certificate, &ca.key).to_der().unwrap();
            assert!(verify(&[leaf], &[&ca]).is_ok(), "{:?} over {:?}", key.id(), leaf_key.id());
        }
    }
}
