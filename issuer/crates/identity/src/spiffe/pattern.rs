//! Patterns of SPIFFE IDs, by whole segments.
//!
//! ```text
//! spiffe://example.org/ns/*/sa/web      `*` stands for exactly one segment
//! spiffe://example.org/ns/prod/**       `**` stands for all that follows, at least one segment
//! ```
//!
//! The trust domain is exact, and so is every character of a segment that is not `*` or `**`: there is no
//! pattern inside a segment, since one that ends in the middle of a name matches names nobody thought of.
//! Of two different patterns that match one id, one is always the [more specific](SpiffeIdPattern::specificity).

use std::fmt;
use std::str::FromStr;

use super::id::{SpiffeId, is_segment};
use super::trust_domain::{TrustDomain, TrustDomainError};

/// Longest pattern in bytes: that of an id.
const MAXIMUM_PATTERN_BYTES: usize = 2048;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeIdPatternError {
    /// Longer than 2048 bytes.
    #[error("a pattern is longer than {MAXIMUM_PATTERN_BYTES} bytes")]
    TooLong,
    /// Not `spiffe://` in lower case, a trust domain and a path.
    #[error("a pattern begins with spiffe://, a trust domain and a path")]
    Form,
    /// The trust domain is not one: it is never a pattern.
    #[error("the trust domain of a pattern is written out")]
    TrustDomain(#[source] TrustDomainError),
    /// A segment is neither a segment nor `*`, nor `**` at the end.
    #[error("a segment of a pattern is *, a whole name, or, as the last one, **")]
    Segment,
}

/// One segment of a pattern, the more specific the greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    /// All that follows, one segment at least.
    Rest,
    /// Any one.
    Any,
    /// This one.
    Exactly(String),
}

/// Matches SPIFFE IDs of workloads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeIdPattern {
    trust_domain: TrustDomain,
    segments: Vec<Segment>,
}

/// How much a pattern says of the ids it matches, segment by segment from the left. Only to be compared
/// with that of another pattern that matches the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity<'a>(&'a [Segment]);

impl SpiffeIdPattern {
    /// Parses the exact text.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdPatternError> {
        if text.len() > MAXIMUM_PATTERN_BYTES {
            return Err(SpiffeIdPatternError::TooLong);
        }
        let rest = text.strip_prefix("spiffe://").ok_or(SpiffeIdPatternError::Form)?;
        let (domain, path) = rest.split_once('/').ok_or(SpiffeIdPatternError::Form)?;
        let trust_domain = TrustDomain::parse(domain).map_err(SpiffeIdPatternError::TrustDomain)?;
        let segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let rest = segments.iter().position(|segment| *segment == Segment::Rest);
        if rest.is_some_and(|at| at + 1 != segments.len()) {
            return Err(SpiffeIdPatternError::Segment);
        }
        Ok(Self { trust_domain, segments })
    }

    /// Whose ids it matches.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Whether it matches an id.
    #[must_use]
    pub fn matches(&self, id: &SpiffeId) -> bool {
        if *id.trust_domain() != self.trust_domain {
            return false;
        }
        let mut named = id.segments();
        for segment in &self.segments {
            match (segment, named.next()) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::Any, Some(_)) => {}
                (Segment::Exactly(wanted), Some(name)) if wanted == name => {}
                _ => return false,
            }
        }
        named.next().is_none()
    }

    /// How much it says. Of the patterns that match an id the greatest decides.
    #[must_use]
    pub fn specificity(&self) -> Specificity<'_> {
        Specificity(&self.segments)
    }
}

fn segment(text: &str) -> Result<Segment, SpiffeIdPatternError> {
    match text {
        "**" => Ok(Segment::Rest),
        "*" => Ok(Segment::Any),
        name if is_segment(name) => Ok(Segment::Exactly(name.to_owned())),
        _ => Err(SpiffeIdPatternError::Segment),
    }
}

impl fmt::Display for SpiffeIdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}", self.trust_domain)?;
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Rest => f.write_str("/**"),
            Segment::Any => f.write_str("/*"),
            Segment::Exactly(name) => write!(f, "/{name}"),
        })
    }
}

impl FromStr for SpiffeIdPattern {
    type Err = SpiffeIdPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SpiffeIdPattern {
    type Error = SpiffeIdPatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SpiffeIdPattern> for String {
    fn from(pattern: SpiffeIdPattern) -> Self {
        pattern.to_string()
    }
}

impl schemars::JsonSchema for SpiffeIdPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SpiffeIdPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Matches SPIFFE IDs: `*` stands for one segment, `**` at the end for all that follow.",
            "maxLength": MAXIMUM_PATTERN_BYTES,
            "pattern": r"^spiffe://[a-z0-9._-]{1,255}(/([A-Za-z0-9._-]+|\*))*/([A-Za-z0-9._-]+|\*\*?)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(path: &str) -> SpiffeIdPattern {
        SpiffeIdPattern::parse(&format!("spiffe://example.org{path}")).unwrap()
    }

    fn id(path: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap()
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_all_that_follow() {
        for (of, path, matches) in [
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/bb", false),
            ("/a/b", "/a", false),
            ("/a/b", "/a/b/c", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a", false),
            ("/a/*", "/a/b/c", false),
            ("/*/b", "/a/b", true),
            ("/a/**", "/a/b", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a", false),
            ("/a/**", "/aa/b", false),
            ("/**", "/a", true),
            ("/**", "", false),
            ("/*", "", false),
        ] {
            assert_eq!(pattern(of).matches(&id(path)), matches, "{of} {path}");
        }
        assert!(!pattern("/**").matches(&SpiffeId::parse("spiffe://example.com/a").unwrap()));
    }

    #[test]
    fn what_is_more_specific_decides() {
        for (more, less) in [
            ("/a/b", "/a/*"),
            ("/a/*", "/a/**"),
            ("/a/*/c", "/a/*/*"),
            ("/a/b/**", "/a/*/c"),
            ("/a/b", "/**"),
        ] {
            assert!(pattern(more).specificity() > pattern(less).specificity(), "{more} {less}");
        }
    }

    #[test]
    fn nothing_is_a_pattern_inside_a_segment_or_a_trust_domain() {
        for text in [
            "",
            "/a",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org/a/",
            "spiffe://example.org/a*",
            "spiffe://example.org/***",
            "spiffe://example.org/**/a",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/[ab]",
            "spiffe://example.org/a?",
            "spiffe://*/a",
            "spiffe://*.example.org/a",
            "spiffe://Example.org/a",
            "SPIFFE://example.org/a",
            &format!("spiffe://example.org/{}", "x".repeat(2048)),
        ] {
            assert!(SpiffeIdPattern::parse(text).is_err(), "{text}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = SpiffeIdPattern> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("*")];
        let segments = proptest::collection::vec(segment, 1..4);
        (segments, any::<bool>()).prop_map(|(segments, rest)| {
            let mut path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
            if rest {
                path.push_str("/**");
            }
            pattern(&path)
        })
    }

    proptest! {
        #[test]
        fn two_patterns_that_match_one_id_are_never_equally_specific(
            (one, other) in (any_pattern(), any_pattern()),
            path in "(/[ab]){1,5}",
        ) {
            let id = id(&path);
            if one != other && one.matches(&id) && other.matches(&id) {
                prop_assert_ne!(one.specificity(), other.specificity());
            }
        }

        #[test]
        fn a_pattern_is_written_as_it_was_read(pattern in any_pattern()) {
            prop_assert_eq!(SpiffeIdPattern::parse(&pattern.to_string()), Ok(pattern));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,64}") {
            SpiffeIdPattern::parse(&text).ok();
            SpiffeIdPattern::parse(&format!("spiffe://a/{text}")).ok();
        }
    }
}
