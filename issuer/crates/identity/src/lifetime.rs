//! Token lifetimes.
//!
//! A lifetime outside the allowed range is refused with the range in the message, never clamped in
//! silence. Whole seconds, since `exp` is an integer (relying parties refuse fractions).

use std::fmt;
use std::time::Duration;

/// How long a token lives, in whole seconds.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Lifetime(u32);

impl Lifetime {
    /// A lifetime of this many seconds. Policy ([`LifetimeRange`]) says which ones are allowed.
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// The whole seconds of a duration, as many as fit.
    #[must_use]
    pub fn of(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX))
    }

    /// Seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// Why a lifetime or a range of them is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeError {
    /// Outside the range.
    #[error("the lifetime must be between {minimum} and {maximum} seconds")]
    OutOfRange {
        /// Shortest allowed, seconds.
        minimum: u32,
        /// Longest allowed, seconds.
        maximum: u32,
    },
    /// Not a whole number of seconds.
    #[error("the lifetime must be a whole number of seconds between {minimum} and {maximum}")]
    NotANumber {
        /// Shortest allowed, seconds.
        minimum: u32,
        /// Longest allowed, seconds.
        maximum: u32,
    },
    /// A range whose minimum, default and maximum are not in that order.
    #[error("the minimum, default and maximum lifetime must be in that order")]
    Disordered,
}

/// The lifetimes that may be asked for, and the one given unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Bounds")]
pub struct LifetimeRange {
    minimum: Lifetime,
    default: Lifetime,
    maximum: Lifetime,
}

/// A range as it is written, before its order is checked.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    minimum: Lifetime,
    default: Lifetime,
    maximum: Lifetime,
}

impl TryFrom<Bounds> for LifetimeRange {
    type Error = LifetimeError;
    fn try_from(bounds: Bounds) -> Result<Self, Self::Error> {
        Self::new(bounds.minimum, bounds.default, bounds.maximum)
    }
}

impl LifetimeRange {
    /// That of a cluster that configures nothing else.
    pub const UNCONFIGURED: Self =
        Self { minimum: Lifetime(60), default: Lifetime(3600), maximum: Lifetime(86_400) };

    /// A range with minimum ≤ default ≤ maximum.
    pub fn new(
        minimum: Lifetime,
        default: Lifetime,
        maximum: Lifetime,
    ) -> Result<Self, LifetimeError> {
        if minimum <= default && default <= maximum && minimum.seconds() > 0 {
            Ok(Self { minimum, default, maximum })
        } else {
            Err(LifetimeError::Disordered)
        }
    }

    /// Shortest allowed.
    #[must_use]
    pub fn minimum(&self) -> Lifetime {
        self.minimum
    }

    /// Given where none is asked for.
    #[must_use]
    pub fn default_lifetime(&self) -> Lifetime {
        self.default
    }

    /// Longest allowed.
    #[must_use]
    pub fn maximum(&self) -> Lifetime {
        self.maximum
    }

    /// The lifetime to use for a request: the default for none, else the one asked for if allowed.
    pub fn choose(&self, asked: Option<Lifetime>) -> Result<Lifetime, LifetimeError> {
        match asked {
            None => Ok(self.default),
            Some(lifetime) if (self.minimum..=self.maximum).contains(&lifetime) => Ok(lifetime),
            Some(_) => Err(LifetimeError::OutOfRange {
                minimum: self.minimum.seconds(),
                maximum: self.maximum.seconds(),
            }),
        }
    }

    /// Reads a lifetime from text such as a query parameter: decimal digits only, in range.
    pub fn parse(&self, text: &str) -> Result<Lifetime, LifetimeError> {
        let not_a_number = LifetimeError::NotANumber {
            minimum: self.minimum.seconds(),
            maximum: self.maximum.seconds(),
        };
        if text.is_empty() || text.len() > 10 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(not_a_number);
        }
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        self.choose(Some(Lifetime(u32::try_from(seconds).unwrap_or(u32::MAX))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> LifetimeRange {
        let LifetimeRange { minimum, default, maximum } = LifetimeRange::UNCONFIGURED;
        LifetimeRange::new(minimum, default, maximum).unwrap()
    }

    #[test]
    fn the_edges_are_allowed_and_one_past_is_refused_with_the_range() {
        assert_eq!(range().choose(None), Ok(Lifetime(3600)));
        assert_eq!(range().parse("60"), Ok(Lifetime(60)));
        assert_eq!(range().parse("86400"), Ok(Lifetime(86_400)));
        for bad in ["59", "86401", "0", "4294967296", "9999999999"] {
            let error = range().parse(bad).unwrap_err();
            assert_eq!(error.to_string(), "the lifetime must be between 60 and 86400 seconds");
        }
        for bad in ["", "abc", "-1", "+60", "60.0", "6e1", " 60", "99999999999999999999"] {
            let text = range().parse(bad).unwrap_err().to_string();
            assert!(text.contains("whole number of seconds between 60 and 86400"), "{bad}");
        }
    }

    #[test]
    fn a_range_is_ordered() {
        assert!(LifetimeRange::new(Lifetime(60), Lifetime(59), Lifetime(100)).is_err());
        assert!(LifetimeRange::new(Lifetime(60), Lifetime(160), Lifetime(100)).is_err());
        assert!(LifetimeRange::new(Lifetime(0), Lifetime(0), Lifetime(0)).is_err());
        let read = |text: &str| serde_json::from_str::<LifetimeRange>(text);
        let good = r#"{"minimum":60,"default":3600,"maximum":86400}"#;
        assert_eq!(read(good).unwrap(), range());
        assert_eq!(serde_json::to_string(&range()).unwrap(), good);
        assert!(read(r#"{"minimum":60,"default":59,"maximum":86400}"#).is_err());
        assert!(read(r#"{"minimum":0,"default":0,"maximum":0}"#).is_err());
    }
}
