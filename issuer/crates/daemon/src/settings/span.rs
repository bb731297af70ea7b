//! Lengths of time as they are written in settings.
//!
//! A number without a unit is refused: `lifetime = 60` has been read as minutes before.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units from large to small, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A length of time, to the millisecond: `30d`, `24h`, `1h30m`, `60s`, `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// Why a text is not a [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSpanError {
    /// A number without a unit.
    #[error("`{0}` has no unit; write \"{0}s\" for seconds, or use m, h or d")]
    NoUnit(String),
    /// Not numbers with units from large to small.
    #[error("`{0}` is not a length of time; write one like 30d, 24h, 1h30m, 60s or 250ms")]
    Form(String),
    /// More than can be counted.
    #[error("`{0}` is too long")]
    TooLong(String),
}

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// A span of milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// The same as the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.duration()
    }
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseSpanError::NoUnit(text.to_owned()));
        }
        let form = || ParseSpanError::Form(text.to_owned());
        let too_long = || ParseSpanError::TooLong(text.to_owned());
        let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0_u64);
        if rest.is_empty() {
            return Err(form());
        }
        while !rest.is_empty() {
            let (digits, after) = split_while(rest, |c| c.is_ascii_digit());
            let (unit, after) = split_while(after, |c| c.is_ascii_alphabetic());
            let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(form)?;
            let (_, milliseconds) = units.get(at).ok_or_else(form)?;
            if digits.is_empty() {
                return Err(form());
            }
            // Only digits, so the one way to fail is too many of them.
            let Ok(count) = digits.parse::<u64>() else { return Err(too_long()) };
            total = count
                .checked_mul(*milliseconds)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(too_long)?;
            units = units.get(at + 1..).unwrap_or_default();
            rest = after;
        }
        Ok(Self(total))
    }
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, milliseconds) in UNITS {
            if left >= milliseconds {
                write!(f, "{}{unit}", left / milliseconds)?;
                left %= milliseconds;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time such as \"30d\", \"1h30m\" or \"60s\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Span, E> {
        Err(E::custom(ParseSpanError::NoUnit(number.to_string())))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Span, E> {
        Err(E::custom(ParseSpanError::NoUnit(number.to_string())))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time, with units from large to small",
            "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "examples": ["30d", "24h", "1h30m", "60s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for (text, seconds) in
            [("30d", 2_592_000), ("1h30m", 5400), ("1m", 60), ("0s", 0), ("1d1h1m1s", 90_061)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!((span, span.to_string()), (Span::from_secs(seconds), text.to_owned()));
        }
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "1h30m");
        assert_eq!("1s250ms".parse::<Span>().unwrap(), Span::from_millis(1250));
    }

    #[test]
    fn other_forms_are_refused_and_say_why() {
        assert_eq!("60".parse::<Span>(), Err(ParseSpanError::NoUnit("60".to_owned())));
        for text in ["", "h", "1x", "1 h", "-1h", "1.5h", "1m1h", "1h1h", "1h30", "1H", "1ä"] {
            assert_eq!(text.parse::<Span>(), Err(ParseSpanError::Form(text.to_owned())), "{text}");
        }
        for text in ["18446744073709551616s", "18446744073709551615d"] {
            assert_eq!(text.parse::<Span>(), Err(ParseSpanError::TooLong(text.to_owned())));
        }
    }
}
