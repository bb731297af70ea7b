use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> HostPattern {
    HostPattern::parse(text).unwrap()
}

fn destination(host: &str) -> Destination {
    Destination::parse(host, 443).unwrap()
}

#[test]
fn a_star_stays_in_its_label_and_two_eat_several() {
    for (of, host, matches) in [
        ("api.example.com", "api.example.com", true),
        ("API.example.com", "api.EXAMPLE.com", true),
        ("api.example.com", "xapi.example.com", false),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "example.com", false),
        ("*.example.com", "a.b.example.com", false),
        ("*-api.example.com", "eu-api.example.com", true),
        ("*-api.example.com", "eu.x-api.example.com", false),
        ("api-*.example.com", "api-.example.com", true),
        ("a*z.example", "abz.example", true),
        ("a*z.example", "a.z.example", false),
        ("**.example.com", "a.example.com", true),
        ("**.example.com", "a.b.example.com", true),
        ("**.example.com", "example.com", false),
        ("api.**", "api.a.b", true),
        ("api.**", "api", false),
        ("a.**.z", "a.b.c.z", true),
        ("a.**.z", "a.z", false),
        ("**", "a.b.c", true),
        ("*", "localhost", true),
        ("*", "a.b", false),
    ] {
        assert_eq!(pattern(of).matches(host), matches, "{of} {host}");
    }
}

#[test]
fn case_137_tricks_with_suffixes_and_letters_match_nothing() {
    for host in [
        "evilallowed.example",
        "allowed.example.",
        "allowed.example.evil",
        "allowed.example%00.evil",
        "allowed.example\0.evil",
        "allowed.example#@evil",
        "user@allowed.example",
        "allowed.example:443",
        "allowed\u{ff0e}example",
        "allowed\u{3002}example",
        "\u{430}llowed.example",
        "allowed..example",
        ".allowed.example",
        "allowed.example/",
        "allowed.example\\",
        " allowed.example",
        "",
    ] {
        assert!(!pattern("allowed.example").matches(host), "{host:?}");
        assert!(!pattern("*.example").matches(host) || host == "evilallowed.example", "{host:?}");
        assert!(!pattern("allowed.*").matches(host), "{host:?}");
    }
    // A mask over a part of a label is not one over letters that are written in another alphabet.
    assert!(!pattern("*-api.example").matches("xn--80ak6aa92e-api.example"));
    assert!(!pattern("x*.example").matches("xn--80ak6aa92e.example"));
    assert!(pattern("*.example").matches("xn--80ak6aa92e.example"));
    assert!(pattern("xn--80ak6aa92e.example").matches("xn--80ak6aa92e.example"));
}

#[test]
fn case_138_no_star_stands_for_an_address_or_a_metadata_service() {
    for host in [
        "10.0.0.1",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "169.254.169.254",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "METADATA.google.internal",
        "instance-data",
    ] {
        for stars in ["**", "*.*.*.*", "**.internal", "metadata.*.internal", "*"] {
            assert!(!pattern(stars).matches(host), "{stars} {host}");
        }
        assert!(pattern(host).matches(host), "{host}");
    }
    assert!(pattern("169.254.169.254").matches("[::ffff:169.254.169.254]"));
}

#[test]
fn case_138_an_address_in_another_form_is_no_destination() {
    for host in [
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "127.1",
        "127.0.1",
        "0",
        "010.0.0.1",
        "1.2.3.4.",
        "1.2.3.4.5",
        "256.1.1.1",
        "[fe80::1%eth0]",
        "[fe80::1%25eth0]",
        "fe80::1%1",
        "[::1",
        "::1]",
        "[127.0.0.1]",
        "[]",
        "[v1.a]",
        "::ffff:1.2.3",
        "1::2::3",
    ] {
        let refused = Destination::parse(host, 80);
        assert!(matches!(refused, Err(DestinationError::Host(_))), "{host}");
        assert!(HostPattern::parse(host).is_err(), "{host}");
    }
    assert_eq!(destination("[::FFFF:10.0.0.1]").host(), "10.0.0.1");
    assert_eq!(destination("[::0001]").to_string(), "[::1]:443");
    assert_eq!(destination("API.Example").to_string(), "api.example:443");
    assert_eq!(destination("10.0.0.1").address(), Some("10.0.0.1".parse().unwrap()));
    assert_eq!(Destination::parse("a", 0), Err(DestinationError::Port));
}

#[test]
fn a_host_has_a_longest_length_and_not_one_byte_more() {
    let label = "x".repeat(63);
    let longest = [label.as_str(), &label, &label, &"y".repeat(61)].join(".");
    assert_eq!(longest.len(), MAXIMUM_HOST_BYTES);
    assert!(pattern(&longest).matches(&longest));
    let longer = [label.as_str(), &label, &label, &"y".repeat(62)].join(".");
    assert_eq!(HostPattern::parse(&longer), Err(HostError::TooLong));
    assert!(HostPattern::parse(&label).is_ok());
    assert_eq!(HostPattern::parse(&format!("{label}x")), Err(HostError::Label));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (text, why) in [
        ("", HostError::Empty),
        ("{a,b}.example", HostError::Alphabet),
        ("a.example.", HostError::Label),
        ("*..example", HostError::Label),
        ("a**.example", HostError::Stars),
        ("***", HostError::Stars),
        ("*.10", HostError::Address),
        ("10.43.*.1", HostError::Address),
        ("a b", HostError::Alphabet),
        ("https://a", HostError::Address),
        ("a/b", HostError::Alphabet),
        ("a?", HostError::Alphabet),
    ] {
        assert_eq!(HostPattern::parse(text), Err(why), "{text}");
    }
}

#[test]
fn what_says_more_scores_more() {
    for (text, score) in [
        ("a.example", 100_000 + 200 + 9),
        ("*.example", 100_000 - 10_000 + 200 + 8),
        ("**.example", 100_000 - 20_000 + 200 + 8),
        ("*", 100_000 - 10_000 + 100),
    ] {
        assert_eq!(pattern(text).score(), score, "{text}");
    }
}

#[test]
fn an_override_meets_the_endpoints_that_either_pattern_matches() {
    assert!(pattern("alpha.example").meets(&pattern("*.example")));
    assert!(pattern("*.example").meets(&pattern("alpha.example")));
    assert!(pattern("*.example").meets(&pattern("*.example")));
    assert!(!pattern("alpha.example").meets(&pattern("beta.example")));
}

fn any_pattern() -> impl Strategy<Value = HostPattern> {
    let label = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("*"), Just("a*"), Just("**")];
    proptest::collection::vec(label, 1..4).prop_map(|labels| pattern(&labels.join(".")))
}

proptest! {
    #[test]
    fn patterns_that_match_one_host_overlap(
        (one, other) in (any_pattern(), any_pattern()),
        host in "[ab]{1,2}(\\.[ab]{1,2}){0,3}",
    ) {
        prop_assert!(one.overlaps(&one));
        prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
        if one.matches(&host) && other.matches(&host) {
            prop_assert!(one.overlaps(&other), "{} {}", one, other);
        }
    }

    #[test]
    fn a_pattern_reads_back_as_itself(pattern in any_pattern()) {
        prop_assert_eq!(HostPattern::parse(pattern.as_str()), Ok(pattern.clone()));
        let json = serde_json::to_string(&pattern).unwrap();
        prop_assert_eq!(serde_json::from_str::<HostPattern>(&json).unwrap(), pattern);
    }

    #[test]
    fn a_destination_has_one_form(host in "[A-Za-z0-9.:\\[\\]_%@/-]{0,24}") {
        if let Ok(destination) = Destination::parse(&host, 1) {
            let again = Destination::parse(destination.host(), 1).unwrap();
            prop_assert_eq!(&again, &destination);
            prop_assert!(HostPattern::parse(destination.host()).unwrap().reaches(&destination));
        }
    }
}
