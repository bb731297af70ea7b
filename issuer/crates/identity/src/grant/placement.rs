//! Where on a request a token stands.
//!
//! The header is one that servers read for themselves: not one that frames the message or belongs to the connection
//! (RFC 9110 sections 7.6.1 and 11.7), since a token there would be taken off again, or would change where the
//! message ends.

use crate::text_value::text_value;

/// Longest name of a header in bytes.
pub const MAXIMUM_HEADER_NAME_BYTES: usize = 64;

/// Headers that frame a message, name its receiver or end at the next hop.
const NEVER: [&str; 16] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "http2-settings",
    "expect",
    "via",
    "date",
    "set-cookie",
];

/// Why a header takes no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderNameError {
    /// Empty, longer than [`MAXIMUM_HEADER_NAME_BYTES`], or not a token.
    #[error(
        "must be the name of a header: 1 to {MAXIMUM_HEADER_NAME_BYTES} letters, digits or marks"
    )]
    Form,
    /// It frames the message or belongs to the connection.
    #[error("must not be a header that frames the message or belongs to the connection")]
    Framing,
}

/// The name of a header that may carry a token, in lower case.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHeader(String);

impl TokenHeader {
    /// Reads a name; upper case becomes lower case.
    pub fn parse(text: &str) -> Result<Self, HeaderNameError> {
        let mark = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || text.len() > MAXIMUM_HEADER_NAME_BYTES || !text.bytes().all(mark) {
            return Err(HeaderNameError::Form);
        }
        let name = text.to_ascii_lowercase();
        if NEVER.contains(&name.as_str()) { Err(HeaderNameError::Framing) } else { Ok(Self(name)) }
    }

    /// `authorization`.
    #[must_use]
    pub fn authorization() -> Self {
        Self("authorization".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What servers that hand headers on as variables make of it: `_` and `-` are one to them.
    #[must_use]
    pub fn alike(&self) -> String {
        self.0.replace('_', "-")
    }
}

text_value!(TokenHeader, HeaderNameError);

/// The header a token stands in, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderPlacement {
    /// `NAME: Bearer TOKEN` (RFC 6750 section 2.1).
    Bearer(TokenHeader),
    /// `NAME: TOKEN`.
    Header(TokenHeader),
}

impl HeaderPlacement {
    /// The header.
    #[must_use]
    pub fn header(&self) -> &TokenHeader {
        match self {
            Self::Bearer(header) | Self::Header(header) => header,
        }
    }
}

impl Default for HeaderPlacement {
    fn default() -> Self {
        Self::Bearer(TokenHeader::authorization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_frames_a_message_carries_no_token() {
        for name in ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "Upgrade", "TE"] {
            assert_eq!(TokenHeader::parse(name), Err(HeaderNameError::Framing), "{name}");
        }
        for name in ["", "a b", "a:", "a\r\n", "Authorization ", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(TokenHeader::parse(name), Err(HeaderNameError::Form), "{name:?}");
        }
        assert!(TokenHeader::parse(&"x".repeat(MAXIMUM_HEADER_NAME_BYTES)).is_ok());
        assert_eq!(TokenHeader::parse("X-Api-Token").unwrap().as_str(), "x-api-token");
    }

    #[test]
    fn a_token_stands_in_authorization_unless_something_else_is_said() {
        assert_eq!(HeaderPlacement::default().header().as_str(), "authorization");
    }
}
