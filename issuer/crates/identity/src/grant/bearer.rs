//! A token that may be put on a request.
//!
//! It is `token68` (RFC 9110 section 11.2), so it can neither end the header it stands in nor begin another one.
//! Whoever holds one knows that; there is no other way to make one than [`BearerToken::parse`].

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Longest token in bytes: few servers take a longer header.
pub const MAXIMUM_BEARER_BYTES: usize = 16 * 1024;

/// Why a text is no bearer token. It never says anything of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerTokenError {
    /// Longer than [`MAXIMUM_BEARER_BYTES`].
    #[error("the access token is longer than {MAXIMUM_BEARER_BYTES} bytes")]
    TooLong,
    /// Not letters, digits and `-._~+/`, with `=` only at the end.
    #[error("the access token is malformed: it is not token68")]
    Malformed,
}

/// An access token. Wiped when dropped; shown only by [`BearerToken::expose`].
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct BearerToken(String);

impl BearerToken {
    /// Takes over a token if it is `token68`; wipes it if it is not.
    pub fn parse(mut text: String) -> Result<Self, BearerTokenError> {
        let checked = check(&text);
        if checked.is_err() {
            text.zeroize();
        }
        checked.map(|()| Self(text))
    }

    /// The text, for the request it is put on. Never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), BearerTokenError> {
    if text.len() > MAXIMUM_BEARER_BYTES {
        return Err(BearerTokenError::TooLong);
    }
    let token = text.trim_end_matches('=');
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if !token.is_empty() && token.bytes().all(good) {
        Ok(())
    } else {
        Err(BearerTokenError::Malformed)
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_token68_is_one() {
        for good in ["a", "eyJ.eyJ.c2ln", "a==", "-._~+/", "A9="] {
            assert_eq!(BearerToken::parse(good.to_owned()).unwrap().expose(), good);
        }
        for bad in [
            "",
            "=",
            "==",
            "a=b",
            "a b",
            " a",
            "a ",
            "a\r\nX: y",
            "a\n",
            "a\0",
            "a,b",
            "a;b",
            "\u{e9}",
            "a\"b",
            "a\t",
        ] {
            let refused = BearerToken::parse(bad.to_owned());
            assert_eq!(refused, Err(BearerTokenError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn it_has_a_longest_length_and_not_one_byte_more() {
        assert!(BearerToken::parse("a".repeat(MAXIMUM_BEARER_BYTES)).is_ok());
        let longer = BearerToken::parse("a".repeat(MAXIMUM_BEARER_BYTES + 1));
        assert_eq!(longer, Err(BearerTokenError::TooLong));
    }

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?}", BearerToken::parse("canary".to_owned()));
        assert!(!shown.contains("canary"), "{shown}");
    }

    proptest! {
        #[test]
        fn none_ends_a_header_or_begins_another(text in "[ -~\\r\\n\\t\u{0}a-zA-Z=]{0,20}") {
            if let Ok(token) = BearerToken::parse(text) {
                let odd = |c: char| c.is_control() || matches!(c, ' ' | ',' | ';' | ':' | '"');
                prop_assert!(!token.expose().contains(odd));
            }
        }
    }
}
