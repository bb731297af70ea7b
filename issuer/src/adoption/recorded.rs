//! The record of an issuer that tokens may still name.
//!
//! A text with a URL on each line, optionally followed by the time it was left (RFC 3339) and by
//! comments after `#`; or JSON, one object or an array of them: `{"issuer": URL, "left_at": TIME}`. The
//! original system's word `anchor` is taken for `issuer`.

use moneyer_identity::{IssuerUrl, IssuerUrlError, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An issuer of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedIssuer {
    /// The URL.
    pub issuer: IssuerUrl,
    /// When tokens ceased to name it, if the record says so; else it is taken to be now.
    pub left_at: Option<UnixTime>,
}

/// Why a record is not understood.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not UTF-8.
    #[error("the record is not text")]
    NotText,
    /// No issuer in it.
    #[error("the record is empty; remove the file, and name the issuer by hand if there was one")]
    Empty,
    /// Not the JSON that is understood.
    #[error("the record is not JSON of the form {{\"issuer\": URL, \"left_at\": TIME}}")]
    Json(#[source] serde_json::Error),
    /// Not an issuer.
    #[error("the record's issuer is not one")]
    Issuer(#[source] IssuerUrlError),
    /// Not a time.
    #[error("the record's time is not of the form 2026-01-31T12:00:00Z")]
    Time(#[source] time::error::Parse),
    /// More words on a line than a URL and a time.
    #[error("a line of the record holds more than a URL and a time")]
    Words,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(alias = "anchor")]
    issuer: String,
    left_at: Option<String>,
}

/// Reads a record.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<RecordedIssuer>, RecordError> {
    let text = std::str::from_utf8(bytes).map_err(|_bytes| RecordError::NotText)?.trim();
    let entries = match text.chars().next() {
        Some('[') => serde_json::from_str(text).map_err(RecordError::Json)?,
        Some('{') => vec![serde_json::from_str(text).map_err(RecordError::Json)?],
        _ => text.lines().filter_map(|line| entry(line).transpose()).collect::<Result<_, _>>()?,
    };
    if entries.is_empty() {
        return Err(RecordError::Empty);
    }
    entries.into_iter().map(recorded).collect()
}

/// The entry on a line; none on an empty one or one of comments.
fn entry(line: &str) -> Result<Option<Entry>, RecordError> {
    let words = line.split_once('#').map_or(line, |(words, _)| words);
    let mut words = words.split_whitespace().map(str::to_owned);
    let Some(issuer) = words.next() else { return Ok(None) };
    let left_at = words.next();
    if words.next().is_some() {
        return Err(RecordError::Words);
    }
    Ok(Some(Entry { issuer, left_at }))
}

fn recorded(entry: Entry) -> Result<RecordedIssuer, RecordError> {
    let issuer = IssuerUrl::parse(&entry.issuer).map_err(RecordError::Issuer)?;
    let time = |text: String| OffsetDateTime::parse(&text, &Rfc3339).map_err(RecordError::Time);
    let left_at = entry.left_at.map(time).transpose()?;
    Ok(RecordedIssuer { issuer, left_at: left_at.map(|at| UnixTime(at.unix_timestamp())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuers(text: &str) -> Vec<(String, Option<i64>)> {
        let parsed = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let pair =
            |one: RecordedIssuer| (one.issuer.as_str().to_owned(), one.left_at.map(|at| at.0));
        parsed.into_iter().map(pair).collect()
    }

    #[test]
    fn text_and_json_say_the_same() {
        let one = vec![("https://a.example.com".to_owned(), None)];
        let timed = vec![("https://a.example.com".to_owned(), Some(86_400))];
        for (text, expected) in [
            ("https://a.example.com", &one),
            ("\n# the last run's\r\nhttps://a.example.com \r\n\n", &one),
            (r#"{"issuer": "https://a.example.com"}"#, &one),
            (r#"{"anchor": "https://a.example.com", "left_at": null}"#, &one),
            (r#"[{"issuer": "https://a.example.com"}]"#, &one),
            ("https://a.example.com 1970-01-02T00:00:00Z # moved", &timed),
            (
                r#"{"issuer": "https://a.example.com", "left_at": "1970-01-02T01:00:00+01:00"}"#,
                &timed,
            ),
        ] {
            assert_eq!(issuers(text), *expected, "{text}");
        }
        let both = issuers("https://a.example.com 1970-01-02T00:00:00Z\nhttps://b.example.com\n");
        assert_eq!(both, [timed[0].clone(), ("https://b.example.com".to_owned(), None)]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let error = |text: &[u8]| format!("{:?}", parse(text).unwrap_err());
        for (text, reason) in [
            (&b""[..], "Empty"),
            (b" \n# nothing\n", "Empty"),
            (b"[]", "Empty"),
            (b"\xff", "NotText"),
            (b"{", "Json"),
            (br#"{"issuer": "https://a.example.com", "other": 1}"#, "Json"),
            (br#"{"left_at": "1970-01-02T00:00:00Z"}"#, "Json"),
            (b"id.example.com", "Issuer"),
            (b"https://a.example.com/", "Issuer"),
            (br#"{"issuer": "http://a.example.com"}"#, "Issuer"),
            (b"https://a.example.com yesterday", "Time"),
            (b"https://a.example.com 1970-01-02T00:00:00Z UTC", "Words"),
        ] {
            assert!(error(text).starts_with(reason), "{}: {}", text.escape_ascii(), error(text));
        }
    }
}
