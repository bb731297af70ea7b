//! JWS compact serialisation (RFC 7515 section 3.1), before anyone asks what the token is.
//!
//! Size first, then exactly three non-empty parts, strict base64url (no padding, no white space, zero
//! spare bits), then a header that is a JSON object without duplicates. What may stand in the header
//! differs between our tokens and JWT-SVIDs and is checked by their readers. Nothing of the payload is
//! read here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::strict_json;

/// Longest token in bytes that is looked at. Ours stay under 2 KiB; 8 KiB is a usual header limit.
pub const MAXIMUM_TOKEN_BYTES: usize = 8 * 1024;

/// Why a text is no token in compact serialisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompactError {
    TooLong,
    Malformed,
}

/// The three parts, and what was signed.
pub(crate) struct Compact<'a> {
    pub(crate) signing_input: &'a str,
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Parses the exact text: nothing is trimmed.
    pub(crate) fn parse(text: &'a str) -> Result<Self, CompactError> {
        if text.len() > MAXIMUM_TOKEN_BYTES {
            return Err(CompactError::TooLong);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(CompactError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(CompactError::Malformed)?;
        if payload.contains('.') || payload.is_empty() || signature.is_empty() {
            return Err(CompactError::Malformed);
        }
        let decode = |part: &str| {
            URL_SAFE_NO_PAD.decode(part).map_err(|_not_base64| CompactError::Malformed)
        };
        let header =
            strict_json::object(&decode(header)?).map_err(|_not_json| CompactError::Malformed)?;
        Ok(Self { signing_input, header, payload: decode(payload)?, signature: decode(signature)? })
    }
}
