//! Key ids: RFC 7638 thumbprints, SHA-256, base64url without padding.

use std::fmt;
use std::sync::Arc;

/// Why a text is not a `kid`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 1 to {} visible ASCII characters", KeyId::MAXIMUM_BYTES)]
pub struct KeyIdError;

/// A `kid`. Compared by exact bytes, never used as a path or in a query.
///
/// Ours are thumbprints. A foreign issuer may use any text up to 1024 bytes, as kube-apiserver does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Longest `kid` read from a foreign set or a token header, in bytes.
    pub(crate) const MAXIMUM_BYTES: usize = 1024;

    /// A `kid` as it stands in a header or a key set: 1 to 1024 visible ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=Self::MAXIMUM_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| Self(text.into()))
    }

    /// The thumbprint of a key whose required members, in lexicographic order, are this JSON text.
    pub(crate) fn of_canonical(json: &str) -> Self {
        use base64::Engine as _;
        let digest = openssl::sha::sha256(json.as_bytes());
        Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for KeyId {
    type Err = KeyIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(KeyIdError)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(KeyIdError)
    }
}

impl From<KeyId> for String {
    fn from(key_id: KeyId) -> Self {
        key_id.0.as_ref().to_owned()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

impl schemars::JsonSchema for KeyId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeyId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A key id (`kid`). Ours are RFC 7638 thumbprints.",
            "pattern": "^[!-~]{1,1024}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_ascii_up_to_the_limit_however_it_is_read() {
        let read = |text: &str| serde_json::from_value::<KeyId>(text.into());
        for good in ["k", "../../dev/null", &"k".repeat(KeyId::MAXIMUM_BYTES)] {
            assert_eq!(KeyId::parse(good).unwrap().as_str(), good);
            assert_eq!(serde_json::to_value(read(good).unwrap()).unwrap(), good);
        }
        let longer = "k".repeat(KeyId::MAXIMUM_BYTES + 1);
        for bad in ["", " ", "a b", "a\n", "a\0", "\u{43a}id", &longer] {
            assert_eq!(KeyId::parse(bad), None, "{bad:?}");
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
