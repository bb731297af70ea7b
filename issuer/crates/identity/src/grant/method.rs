//! Methods of requests that a rule may be asked about.
//!
//! Methods are case-sensitive (RFC 9110 section 9.1), so `get` is another one than GET, which some servers do not
//! know: what is not in upper case is refused. So are CONNECT and TRACE, which are not for the upstream to see:
//! the second would send back the token on the request.

use crate::text_value::text_value;

/// Longest method in bytes: the longest registered has 17.
pub const MAXIMUM_METHOD_BYTES: usize = 32;

/// The text is no method that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the method must be 1 to {MAXIMUM_METHOD_BYTES} upper-case letters and '-', and neither CONNECT nor TRACE"
)]
pub struct MethodError;

/// A method in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(String);

impl Method {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, MethodError> {
        let good = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        let known =
            !text.is_empty() && text.len() <= MAXIMUM_METHOD_BYTES && text.bytes().all(good);
        if known && !matches!(text, "CONNECT" | "TRACE") {
            Ok(Self(text.to_owned()))
        } else {
            Err(MethodError)
        }
    }

    /// The method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_value!(Method, MethodError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_upper_case_and_for_the_upstream() {
        for good in ["GET", "M-SEARCH", "PROPFIND", &"X".repeat(MAXIMUM_METHOD_BYTES)] {
            assert_eq!(Method::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "get", "Get", "TRACE", "CONNECT", "GET ", "G\r\n", &"X".repeat(33)] {
            assert_eq!(Method::parse(bad), Err(MethodError), "{bad:?}");
        }
    }
}
