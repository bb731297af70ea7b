//! Key sets (RFC 7517 section 5): our own, and those of issuers we verify.
//!
//! Reading is bounded and tolerant of strangers: an entry of unknown type, use or algorithm is left
//! out (RFC 7517 section 5), but two entries with one `kid` or any private member refuse the whole set.

use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::key::jwk::Jwk;
use crate::key::key_id::KeyId;
use crate::key::verifying_key::VerifyingKey;

/// Most keys in a set: AWS and Azure look at no more than 100.
pub const MAXIMUM_KEYS: usize = 100;

/// Longest key set document in bytes: 100 keys of RSA-4096 need about 80 KiB.
pub const MAXIMUM_KEY_SET_BYTES: usize = 128 * 1024;

/// Members that only a private or symmetric key has (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
pub(crate) const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a key set is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAXIMUM_KEY_SET_BYTES`].
    #[error("the key set is longer than {MAXIMUM_KEY_SET_BYTES} bytes")]
    TooLong,
    /// Not a JSON object with an array `keys`, or a name stands twice in an object.
    #[error("the key set is not a JSON object with an array of keys")]
    Malformed,
    /// More than [`MAXIMUM_KEYS`] keys.
    #[error("the key set has more than {MAXIMUM_KEYS} keys")]
    TooManyKeys,
    /// Two keys with one `kid`.
    #[error("two keys of the set have the same kid")]
    DuplicateKeyId,
    /// A private key was published.
    #[error("the key set holds private key material; its issuer must replace that key at once")]
    PrivateKey,
}

/// Keys by their ids, in published order: the active key first.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of distinct keys.
    pub fn new(keys: Vec<VerifyingKey>) -> Result<Self, KeySetError> {
        if keys.len() > MAXIMUM_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut ids: Vec<_> = keys.iter().map(VerifyingKey::key_id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(KeySetError::DuplicateKeyId);
        }
        Ok(Self { keys })
    }

    /// Reads a published set.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAXIMUM_KEY_SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        let document =
            crate::strict_json::object(bytes).map_err(|_not_json| KeySetError::Malformed)?;
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err(KeySetError::Malformed);
        };
        if entries.len() > MAXIMUM_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let has_private =
            |entry: &Value| PRIVATE_MEMBERS.iter().any(|member| entry.get(member).is_some());
        if entries.iter().any(has_private) {
            return Err(KeySetError::PrivateKey);
        }
        Self::new(entries.iter().filter_map(usable).collect())
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, key_id: &KeyId) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.key_id() == key_id)
    }

    /// The keys in published order.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// Whether there is no key at all, in which case nothing verifies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The algorithms of the keys, each once, in published order.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for key in &self.keys {
            if !algorithms.contains(&key.algorithm()) {
                algorithms.push(key.algorithm());
            }
        }
        algorithms
    }
}

/// The published form: `{"keys": […]}`.
impl serde::Serialize for KeySet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let keys: Vec<&Jwk> = self.keys.iter().map(VerifyingKey::jwk).collect();
        let mut document = serializer.serialize_struct("KeySet", 1)?;
        document.serialize_field("keys", &keys)?;
        document.end()
    }
}

impl schemars::JsonSchema for KeySet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeySet".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let key = generator.subschema_for::<Jwk>();
        schemars::json_schema!({
            "type": "object",
            "description": "A JWK Set (RFC 7517 section 5).",
            "properties": { "keys": { "type": "array", "items": key } },
            "required": ["keys"]
        })
    }
}

/// The key of an entry meant for checking signatures, if it is one that can be used.
fn usable(entry: &Value) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_value(entry.clone()).ok()?;
    let for_signatures = jwk.key_use.as_deref().is_none_or(|key_use| key_use == "sig");
    let verifies = entry.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|list| list.iter().any(|item| item == "verify"))
    });
    if !for_signatures || !verifies || jwk.kid.is_none() {
        return None;
    }
    VerifyingKey::from_jwk(&jwk).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638 section 3.1.
    const RFC_7638: &str = r#"{"kty":"RSA","kid":"k","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}"#;

    #[test]
    fn the_thumbprint_of_the_rfc() {
        let set = KeySet::parse(format!("{{\"keys\":[{RFC_7638}]}}").as_bytes()).unwrap();
        let key = set.iter().next().unwrap();
        assert_eq!(key.thumbprint().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(key.key_id().as_str(), "k");
    }

    #[test]
    fn unusable_entries_are_left_out() {
        let with = |change: &str| format!("{{\"keys\":[{}]}}", RFC_7638.replacen('}', change, 1));
        for change in [
            r#","use":"enc"}"#,
            r#","alg":"PS256"}"#,
            r#","alg":"ES256"}"#,
            r#","key_ops":["encrypt"]}"#,
        ] {
            assert!(KeySet::parse(with(change).as_bytes()).unwrap().is_empty(), "{change}");
        }
        let nameless = RFC_7638.replace(r#","kid":"k""#, "");
        assert_ne!(nameless, RFC_7638);
        assert!(KeySet::parse(format!("{{\"keys\":[{nameless}]}}").as_bytes()).unwrap().is_empty());
        assert!(
            !KeySet::parse(with(r#","use":"sig","x5t":"unknown"}"#).as_bytes()).unwrap().is_empty()
        );
        for x5c in ["7", "[]", r#"["*"]"#, r#"["YQ==","YQ=="]"#] {
            let read = KeySet::parse(with(&format!(r#","x5c":{x5c}}}"#)).as_bytes()).unwrap();
            let key = read.iter().next().unwrap();
            assert_eq!(key.jwk().x5c, None, "a certificate is not read, and hides no key: {x5c}");
        }
        for entry in [
            r#"{"kty":"oct","kid":"a"}"#,
            r#"{"kty":"OKP","crv":"X25519","kid":"a","x":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
            r#"{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"RSA","n":"AQAB"}"#,
            r#"{"kty":5}"#,
            "7",
        ] {
            let set = KeySet::parse(format!("{{\"keys\":[{entry}]}}").as_bytes()).unwrap();
            assert!(set.is_empty(), "{entry}");
        }
        assert!(KeySet::parse(RFC_7638.replace("\"k\"", "\"\"").as_bytes()).is_err());
    }

    #[test]
    fn a_set_is_refused_whole() {
        let twice = format!("{{\"keys\":[{RFC_7638},{RFC_7638}]}}");
        assert!(matches!(KeySet::parse(twice.as_bytes()), Err(KeySetError::DuplicateKeyId)));
        let private = r#"{"keys":[{"kty":"RSA","d":"AQAB"}]}"#;
        assert!(matches!(KeySet::parse(private.as_bytes()), Err(KeySetError::PrivateKey)));
        for bad in
            ["", "[]", "{}", r#"{"keys":null}"#, r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#]
        {
            assert!(matches!(KeySet::parse(bad.as_bytes()), Err(KeySetError::Malformed)), "{bad}");
        }
        let of = |count: usize| format!("{{\"keys\":[{}]}}", vec!["{}"; count].join(","));
        assert!(KeySet::parse(of(MAXIMUM_KEYS).as_bytes()).is_ok());
        assert!(matches!(
            KeySet::parse(of(MAXIMUM_KEYS + 1).as_bytes()),
            Err(KeySetError::TooManyKeys)
        ));
        let mut padded = br#"{"keys":[]}"#.to_vec();
        padded.resize(MAXIMUM_KEY_SET_BYTES, b' ');
        assert!(KeySet::parse(&padded).is_ok());
        padded.push(b' ');
        assert!(matches!(KeySet::parse(&padded), Err(KeySetError::TooLong)));
        let long = vec![b' '; MAXIMUM_KEY_SET_BYTES + 1];
        assert!(matches!(KeySet::parse(&long), Err(KeySetError::TooLong)));
    }
}
