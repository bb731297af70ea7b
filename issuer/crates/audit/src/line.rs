//! One line: `{"seq":N,` then the event's own fields, then `,"prev":"HASH"}`.
//!
//! The caller that records writes the middle, which needs neither the place nor the hash; the writer
//! adds both ends. Reading is strict: the two ends stand exactly where they are written, so that a line
//! has one spelling.

use moneyer_identity::UnixTime;
use moneyer_recording::Sequence;
use serde_json::{Map, Value};

use crate::chain::{Head, LineHash};

const BEGIN: &[u8] = b"{\"seq\":";
const BEFORE_HASH: &[u8] = b",\"prev\":\"";
const END: &[u8] = b"\"}";

/// Adds the line after `head` to a buffer, with its line end, and gives the new head. `event` is the JSON
/// object of its fields.
pub(crate) fn append(to: &mut Vec<u8>, head: Head, event: &[u8]) -> Head {
    let sequence = Sequence(head.sequence.0.saturating_add(1));
    let begin = to.len();
    to.extend_from_slice(BEGIN);
    to.extend_from_slice(sequence.to_string().as_bytes());
    to.push(b',');
    // Between the braces: an event has always a field.
    to.extend_from_slice(event.get(1..event.len().saturating_sub(1)).unwrap_or_default());
    to.extend_from_slice(BEFORE_HASH);
    head.hash.write_hex(to);
    to.extend_from_slice(END);
    let hash = LineHash::of(to.get(begin..).unwrap_or_default());
    to.push(b'\n');
    Head { sequence, hash }
}

/// What stands in a record that only a clock that is trusted, or a person who looked at it, lets happen.
/// Within a text its quotes would be escaped.
const SOUND: [&str; 2] = ["\"event\":\"token_minted\"", "\"event\":\"clock_confirmed\""];

/// Whether a line's time was a sound clock's. Other records are made by a wrong one too.
pub(crate) fn has_sound_time(line: &[u8]) -> bool {
    let text = std::str::from_utf8(line);
    text.is_ok_and(|text| SOUND.iter().any(|event| text.contains(event)))
}

/// The time of a line.
pub(crate) fn time(line: &[u8]) -> Option<UnixTime> {
    #[derive(serde::Deserialize)]
    struct Timed {
        time: UnixTime,
    }
    serde_json::from_slice::<Timed>(line).ok().map(|timed| timed.time)
}

/// Why a line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is not a JSON object.
    #[error("it is not a JSON object")]
    Json,
    /// It does not begin with its place.
    #[error("it does not begin with its number")]
    Sequence,
    /// It does not end with the hash of the line before.
    #[error("it does not end with the hash of the line before it")]
    Hash,
}

/// What links a line to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) sequence: Sequence,
    pub(crate) previous: LineHash,
}

/// Reads both ends of a line without its line end.
pub(crate) fn link(line: &[u8]) -> Result<Link, LineError> {
    let rest = line.strip_prefix(BEGIN).ok_or(LineError::Sequence)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits).ok_or(LineError::Sequence)?;
    let number = std::str::from_utf8(number).ok().filter(|text| !text.starts_with('0'));
    let sequence = number.and_then(|text| text.parse().ok()).ok_or(LineError::Sequence)?;
    if rest.first() != Some(&b',') {
        return Err(LineError::Sequence);
    }
    let rest = rest.strip_suffix(END).ok_or(LineError::Hash)?;
    let (rest, hash) =
        rest.split_at_checked(rest.len().saturating_sub(64)).ok_or(LineError::Hash)?;
    if !rest.ends_with(BEFORE_HASH) {
        return Err(LineError::Hash);
    }
    let hash = std::str::from_utf8(hash).ok().and_then(LineHash::parse).ok_or(LineError::Hash)?;
    Ok(Link { sequence: Sequence(sequence), previous: hash })
}

/// Every field of a line.
pub(crate) fn fields(line: &[u8]) -> Result<Map<String, Value>, LineError> {
    serde_json::from_slice(line).map_err(|_no_json| LineError::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_with_its_ends_where_they_belong() {
        let mut text = Vec::new();
        let first = append(&mut text, Head::default(), br#"{"a":"x"}"#);
        let second = append(&mut text, first, br#"{"b":1}"#);
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        let zeros = "0".repeat(64);
        assert_eq!(lines[0], format!(r#"{{"seq":1,"a":"x","prev":"{zeros}"}}"#).as_bytes());
        assert_eq!(LineHash::of(lines[0]), first.hash);
        assert_eq!(link(lines[1]), Ok(Link { sequence: Sequence(2), previous: first.hash }));
        assert_eq!(fields(lines[1]).unwrap()["b"], 1);
        assert_eq!((second.sequence, lines[2].len()), (Sequence(2), 0));
    }

    #[test]
    fn other_spellings_are_refused() {
        let zeros = "0".repeat(64);
        for (line, error) in [
            (format!(r#"{{"seq":01,"prev":"{zeros}"}}"#), LineError::Sequence),
            (format!(r#"{{"seq":,"prev":"{zeros}"}}"#), LineError::Sequence),
            (format!(r#"{{ "seq":1,"prev":"{zeros}"}}"#), LineError::Sequence),
            (format!(r#"{{"seq":99999999999999999999,"prev":"{zeros}"}}"#), LineError::Sequence),
            (format!(r#"{{"seq":1,"prev":"{zeros}"}} "#), LineError::Hash),
            (format!(r#"{{"seq":1,"prev":"0{zeros}"}}"#), LineError::Hash),
            (r#"{"seq":1,"prev":""}"#.to_owned(), LineError::Hash),
            (r#"{"seq":1,"#.to_owned(), LineError::Hash),
            (String::new(), LineError::Sequence),
        ] {
            assert_eq!(link(line.as_bytes()), Err(error), "{line}");
        }
    }
}
