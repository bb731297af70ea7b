//! SPIFFE IDs: ID-1 to ID-10.

use moneyer_identity::AppName;
use moneyer_identity::spiffe::SpiffeIdError::{Scheme, Segment, TooLong};
use moneyer_identity::spiffe::TrustDomainError::{Alphabet, Empty};
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use proptest::prelude::*;

use super::forge::domain;

#[track_caller]
fn refuses(text: &str, why: &SpiffeIdError) {
    assert_eq!(SpiffeId::parse(text).as_ref(), Err(why), "{text}");
}

#[track_caller]
fn accepts(text: &str) -> SpiffeId {
    let id = SpiffeId::parse(text).unwrap();
    assert_eq!(id.as_str(), text);
    id
}

fn in_domain(why: moneyer_identity::spiffe::TrustDomainError) -> SpiffeIdError {
    SpiffeIdError::TrustDomain(why)
}

#[test]
fn id1_the_scheme_is_spiffe_and_nothing_is_folded() {
    for text in [
        "",
        "spiffe",
        "spiffe:",
        "spiffe:/example.org/a",
        "spiffe:example.org/a",
        "SPIFFE://example.org/a",
        "Spiffe://example.org/a",
        "https://example.org/a",
        " spiffe://example.org/a",
        "//example.org/a",
    ] {
        refuses(text, &Scheme);
    }
    refuses("spiffe://Example.org/a", &in_domain(Alphabet));
    assert_ne!(accepts("spiffe://example.org/a"), accepts("spiffe://example.org/A"));
}

#[test]
fn id2_the_trust_domain_is_not_empty() {
    for text in ["spiffe://", "spiffe:///", "spiffe:///a"] {
        refuses(text, &in_domain(Empty));
    }
}

#[test]
fn id3_there_is_no_query_and_no_fragment_not_even_an_empty_one() {
    for end in ["?", "#", "?a=b", "#a", "?#"] {
        refuses(&format!("spiffe://example.org/a{end}"), &Segment);
        refuses(&format!("spiffe://example.org{end}"), &in_domain(Alphabet));
        refuses(&format!("spiffe://example.org{end}/a"), &in_domain(Alphabet));
    }
}

#[test]
fn id4_there_is_no_user_and_no_port() {
    for authority in
        ["u@example.org", "u:p@example.org", "@example.org", "example.org:", "example.org:443"]
    {
        refuses(&format!("spiffe://{authority}/a"), &in_domain(Alphabet));
    }
}

#[test]
fn id5_a_trust_domain_has_its_alphabet_and_no_special_names() {
    for name in
        ["a", "example.org", "127.0.0.1", "1", "a_b-c.d", ".", "..", "-", "_", "org.", ".org"]
    {
        assert_eq!(accepts(&format!("spiffe://{name}/a")).trust_domain().as_str(), name);
    }
    for name in ["[::1]", "ex%61mple.org", "example.org\u{0}", "ex ample", "\u{e4}.org", "A", "a~b"]
    {
        refuses(&format!("spiffe://{name}/a"), &in_domain(Alphabet));
    }
}

#[test]
fn id6_a_path_has_its_alphabet_and_no_odd_segments() {
    for path in ["/a", "/A/b.c/d-e/f_g", "/...", "/.a", "/a..", "/1/2/3", "/-", "/_"] {
        accepts(&format!("spiffe://example.org{path}"));
    }
    for path in [
        "/", "//", "/a/", "/a//b", "//a", "/.", "/..", "/a/./b", "/a/../b", "/a/.", "/%61",
        "/a%2fb", "/a b", "/a:b", "/a~b", "/a+b", "/a@b", "/a\\b", "/\u{430}", "/a\n", "/a\u{0}",
        "/*",
    ] {
        refuses(&format!("spiffe://example.org{path}"), &Segment);
    }
}

#[test]
fn id7_an_id_has_2048_bytes_and_its_trust_domain_255() {
    let longest = format!("spiffe://a/{}", "x".repeat(2048 - 11));
    accepts(&longest);
    refuses(&format!("{longest}x"), &TooLong);
    accepts(&format!("spiffe://{}/a", "x".repeat(255)));
    let long = format!("spiffe://{}/a", "x".repeat(256));
    refuses(&long, &in_domain(moneyer_identity::spiffe::TrustDomainError::TooLong));
    // What is made keeps the same limit as what is read.
    let segment = "x".repeat(2048 - 11);
    let made = |segments: &[&str]| SpiffeId::of(&domain("a"), segments);
    assert_eq!(made(&[&segment]).unwrap().as_str(), longest);
    assert_eq!(made(&[&segment, "x"]), Err(TooLong));
}

#[test]
fn id8_the_trust_domains_own_id_has_no_path() {
    assert_eq!(accepts("spiffe://example.org").segments().count(), 0);
    assert_eq!(accepts("spiffe://example.org/a").segments().count(), 1);
    assert_eq!(SpiffeId::of(&domain("example.org"), &[]).unwrap().as_str(), "spiffe://example.org");
}

proptest! {
    #[test]
    fn id10_two_names_never_come_out_as_one_id(
        one in prop::collection::vec("[a-zA-Z0-9./%_-]{0,4}", 0..4),
        other in prop::collection::vec("[a-zA-Z0-9./%_-]{0,4}", 0..4),
    ) {
        let of = |segments: &[String]| {
            let segments: Vec<_> = segments.iter().map(String::as_str).collect();
            SpiffeId::of(&domain("example.org"), &segments)
        };
        if let (Ok(first), Ok(second)) = (of(&one), of(&other)) {
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(first.segments().collect::<Vec<_>>(), one);
        }
    }

    #[test]
    fn id10_every_name_of_an_app_has_an_id(name in "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?") {
        let name: AppName = name.parse().unwrap();
        let id = SpiffeId::of(&TrustDomain::parse("example.org").unwrap(), &["app", name.as_str()]);
        let id = id.unwrap();
        prop_assert_eq!(id.segments().last(), Some(name.as_str()));
    }
}
