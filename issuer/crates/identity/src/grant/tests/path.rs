use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> PathPattern {
    PathPattern::parse(text).unwrap()
}

#[test]
fn a_star_stays_in_its_segment_and_two_take_what_is_below() {
    for (of, path, matches) in [
        ("", "/", true),
        ("", "/a/b", true),
        ("**", "/a/b", true),
        ("/**", "/", true),
        ("/**", "/a/b", true),
        ("/v1", "/v1", true),
        ("/v1", "/v1/", false),
        ("/v1", "/v1/a", false),
        ("/v1", "/V1", false),
        ("/v1/**", "/v1", true),
        ("/v1/**", "/v1/", true),
        ("/v1/**", "/v1/a/b", true),
        ("/v1/**", "/v10", false),
        ("/v1/**", "/v1.a", false),
        ("/v1/*", "/v1/a", true),
        ("/v1/*", "/v1/", true),
        ("/v1/*", "/v1/a/b", false),
        ("/v1/*.json", "/v1/a.json", true),
        ("/v?/a", "/v1/a", true),
        ("/v?/a", "/v//a", false),
        ("/v[1-3]/a", "/v2/a", true),
        ("/v[1-3]/a", "/v4/a", false),
        ("/v[!1]/a", "/v2/a", true),
        ("/v[^1]/a", "/v1/a", false),
        ("/v[!1]/a", "/v//a", false),
        ("/v[]]", "/v]", true),
        ("/a/**/z", "/a/z", true),
        ("/a/**/z", "/a/b/c/z", true),
        ("/a/**/z", "/a/bz", false),
        ("/**/z", "/z", true),
        ("/**/z", "/a/z", true),
        ("/a/**/z/**", "/a/b/z/c", true),
        // Malformed: only themselves.
        ("/v[", "/v[", true),
        ("/v[", "/v1", false),
        ("/a**", "/a**", true),
        ("/a**", "/abc", false),
        ("/***", "/a", false),
    ] {
        assert_eq!(pattern(of).matches(path), matches, "{of} {path}");
    }
}

#[test]
fn what_says_more_scores_more() {
    for (text, score) in
        [("", 0), ("**", 0), ("/**", 1_000_001), ("/v1/**", 1_000_004), ("/v1/[ab]", 1_000_006)]
    {
        assert_eq!(pattern(text).score(), score, "{text}");
    }
}

#[test]
fn a_pattern_is_bounded_in_length_and_in_inner_stars() {
    let longest = format!("/{}", "x".repeat(MAXIMUM_PATH_PATTERN_BYTES - 1));
    assert!(pattern(&longest).matches(&longest));
    assert_eq!(PathPattern::parse(&format!("{longest}x")), Err(PathPatternError::TooLong));
    let inner = |number: usize| PathPattern::parse(&format!("{}/z/**", "/**".repeat(number)));
    assert!(inner(MAXIMUM_INNER_STARS).unwrap().matches("/a/b/z/c"));
    assert_eq!(inner(MAXIMUM_INNER_STARS + 1), Err(PathPatternError::InnerStars));
    assert_eq!(PathPattern::parse("v1/**"), Err(PathPatternError::Slash));
    assert_eq!(PathPattern::parse("*"), Err(PathPatternError::Slash));
    assert_eq!(PathPattern::parse("/a b"), Err(PathPatternError::Alphabet));
    assert_eq!(PathPattern::parse("/\u{e9}"), Err(PathPatternError::Alphabet));
}

fn any_pattern() -> impl Strategy<Value = PathPattern> {
    let segment = prop_oneof![
        Just("a"),
        Just("b"),
        Just("*"),
        Just("a*"),
        Just("?"),
        Just("[ab]"),
        Just("**")
    ];
    let segments = proptest::collection::vec(segment, 1..4);
    segments.prop_map(|segments| pattern(&format!("/{}", segments.join("/"))))
}

proptest! {
    #[test]
    fn patterns_that_match_one_path_overlap(
        (one, other) in (any_pattern(), any_pattern()),
        path in "(/[ab]{1,2}){1,4}/?",
    ) {
        prop_assert!(one.overlaps(&one));
        prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
        if one.matches(&path) && other.matches(&path) {
            prop_assert!(one.overlaps(&other), "{} {}", one, other);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_asked(text in "/[ -~]{0,24}", path in "/[ -~]{0,24}") {
        if let Ok(pattern) = PathPattern::parse(&text) {
            prop_assert!(!pattern.matches(&path) || path.is_ascii());
            prop_assert_eq!(pattern.as_str(), text.as_str());
        }
    }
}
