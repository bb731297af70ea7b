//! The target of a request in the one form that rules and upstreams both see (RFC 3986 section 6.2.2).
//!
//! A rule about `/admin` is worth nothing if the upstream reads `/x/..;/admin` as that. So the path has one form:
//! characters that need no escape are written out, other escapes are in upper case, and whatever servers read
//! in different ways is refused: dot segments, empty segments, `;`, `\`, an escaped slash, backslash, control
//! character or second escape. The query is handed on byte for byte.

/// Longest target in bytes: the usual limit of a request line.
pub const MAXIMUM_TARGET_BYTES: usize = 8 * 1024;

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than [`MAXIMUM_TARGET_BYTES`].
    #[error("the target of the request is longer than {MAXIMUM_TARGET_BYTES} bytes")]
    TooLong,
    /// Not an absolute path: `*`, an authority, or nothing.
    #[error("the target of the request is no absolute path")]
    NoPath,
    /// A character that must be escaped, a fragment, or one that servers read in different ways.
    #[error("the path has a character that servers read in different ways: escape it")]
    Character,
    /// A `%` without two hexadecimal digits, or one that hides a separator or another escape.
    #[error("the path has an escape that servers read in different ways")]
    Escape,
    /// `.`, `..` or nothing between two slashes.
    #[error("the path has a segment that is empty, '.' or '..'")]
    Segment,
}

/// A path in its one form, and the query as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestTarget {
    text: String,
    path_bytes: usize,
}

impl RequestTarget {
    /// Reads a target in origin form: `/path?query`.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > MAXIMUM_TARGET_BYTES {
            return Err(TargetError::TooLong);
        }
        let (path, query) = text.split_once('?').map_or((text, None), |(p, q)| (p, Some(q)));
        let mut text = read_path(path)?;
        let path_bytes = text.len();
        if let Some(query) = query {
            if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
                return Err(TargetError::Character);
            }
            text.push('?');
            text.push_str(query);
        }
        Ok(Self { text, path_bytes })
    }

    /// The path, which begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(..self.path_bytes).unwrap_or_default()
    }

    /// The query, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_bytes..)?.strip_prefix('?')
    }

    /// Path and query: what is sent to the upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The values a query gives a name, both decoded. Broken escapes stand for themselves.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        let pairs = self.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.filter_map(move |pair| {
            let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(own) == name).then(|| decode(value))
        })
    }
}

fn read_path(path: &str) -> Result<String, TargetError> {
    if !path.starts_with('/') {
        return Err(TargetError::NoPath);
    }
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => push_escaped(&mut text, escaped(&mut bytes)?)?,
            byte if stands_for_itself(byte) => text.push(char::from(byte)),
            _ => return Err(TargetError::Character),
        }
    }
    if hides_an_escape(&text) {
        return Err(TargetError::Escape);
    }
    // The root, and a slash at the end, leave one empty segment behind.
    let segments = text.strip_prefix('/').unwrap_or_default();
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    let good = |segment: &str| !matches!(segment, "" | "." | "..");
    if text == "/" || segments.split('/').all(good) { Ok(text) } else { Err(TargetError::Segment) }
}

/// `pchar` of RFC 3986 and the slash, without `;`.
fn stands_for_itself(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@/".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, TargetError> {
    let mut digit = || bytes.next().and_then(hexadecimal).ok_or(TargetError::Escape);
    Ok(digit()? * 16 + digit()?)
}

fn hexadecimal(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn push_escaped(text: &mut String, byte: u8) -> Result<(), TargetError> {
    if byte.is_ascii_control() || matches!(byte, b'/' | b'\\') {
        return Err(TargetError::Escape);
    }
    if is_unreserved(byte) {
        text.push(char::from(byte));
    } else {
        let escape = format!("%{byte:02X}");
        text.push_str(&escape);
    }
    Ok(())
}

/// Whether a second reading would find an escape where the first finds a `%`. Asked of the one form: the digits behind
/// it may have been escapes too.
fn hides_an_escape(text: &str) -> bool {
    text.split("%25").skip(1).any(|after| escaped(&mut after.bytes()).is_ok())
}

fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut after = bytes.clone();
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match escaped(&mut after) {
                Ok(byte) => {
                    decoded.push(byte);
                    bytes = after;
                }
                Err(_broken) => decoded.push(b'%'),
            },
            byte => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
#[path = "tests/target.rs"]
mod tests;
