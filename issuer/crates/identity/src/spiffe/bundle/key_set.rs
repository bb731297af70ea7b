//! A trust bundle of a plain JWK Set (RFC 7517 section 5), for trust domains that publish no bundle.
//!
//! What serves OIDC relying parties is a key set of `use: sig`, of which a bundle's reader would take nothing.
//! Here every key that can verify JWT-SVIDs is taken, whatever it says it is for, except one that is for
//! encryption or for certificates. A key without `kid`, of a kind, size or algorithm that JWT-SVIDs do not have,
//! is left out alone; a private key, a malformed key, or one `kid` twice refuses the set. It proves no X.509-SVID.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::jwt_authority::JwtAuthority;
use super::reading::{EntryError, MAXIMUM_BUNDLE_BYTES, jwt_authority, key_id};
use super::trust_bundle::{MAXIMUM_AUTHORITIES, TrustBundle, TrustBundleError};
use crate::key::PRIVATE_MEMBERS;
use crate::spiffe::TrustDomain;
use crate::strict_json;

impl TrustBundle {
    /// Reads a JWK Set as what the JWT-SVIDs of this trust domain are verified with.
    pub fn of_key_set(trust_domain: TrustDomain, bytes: &[u8]) -> Result<Self, TrustBundleError> {
        Self::new(trust_domain, Vec::new(), read_key_set(bytes)?)
    }
}

/// Reads the keys of a JWK Set that can verify signatures, each `kid` once.
pub(crate) fn read_key_set(bytes: &[u8]) -> Result<Vec<JwtAuthority>, TrustBundleError> {
    if bytes.len() > MAXIMUM_BUNDLE_BYTES {
        return Err(TrustBundleError::TooLong);
    }
    let document = strict_json::object(bytes).map_err(|_not_json| TrustBundleError::Malformed)?;
    let Some(Value::Array(entries)) = document.get("keys") else {
        return Err(TrustBundleError::Malformed);
    };
    if entries.len() > MAXIMUM_AUTHORITIES {
        return Err(TrustBundleError::TooManyEntries);
    }
    let (mut keys, mut seen) = (Vec::<JwtAuthority>::new(), BTreeSet::new());
    for (index, entry) in entries.iter().enumerate() {
        let key = key(entry).map_err(|source| TrustBundleError::Entry { index, source })?;
        if key.as_ref().is_some_and(|key| !seen.insert(key.key_id().clone())) {
            return Err(TrustBundleError::DuplicateKeyId);
        }
        keys.extend(key);
    }
    Ok(keys)
}

/// `None` for one that is to be left out alone.
fn key(entry: &Value) -> Result<Option<JwtAuthority>, EntryError> {
    let entry: &Map<_, _> = entry.as_object().ok_or(EntryError::NotAnObject)?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    if PRIVATE_MEMBERS.iter().any(|member| entry.contains_key(*member)) {
        return Err(EntryError::PrivateKey);
    }
    let signs = entry.get("use").is_none() || matches!(text("use"), Some("sig" | "jwt-svid"));
    if !matches!(text("kty"), Some("RSA" | "EC")) || !signs || key_id(entry).is_err() {
        return Ok(None);
    }
    jwt_authority(entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The key of RFC 7517 appendix A.1.
    fn ec(more: &Value) -> Value {
        let mut key = json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "kid": "1"
        });
        let members = more.as_object().unwrap().clone();
        key.as_object_mut().unwrap().extend(members);
        key
    }

    fn read(keys: &Value) -> Result<usize, TrustBundleError> {
        let bytes = serde_json::to_vec(&json!({ "keys": keys })).unwrap();
        let name = TrustDomain::parse("other.example").unwrap();
        TrustBundle::of_key_set(name, &bytes).map(|bundle| bundle.jwt_authorities().len())
    }

    #[test]
    fn what_can_verify_is_taken_whatever_it_says_it_is_for() {
        for good in [json!({}), json!({"use": "sig"}), json!({"use": "jwt-svid", "alg": "ES256"})] {
            assert_eq!(read(&json!([ec(&good)])).unwrap(), 1, "{good}");
        }
    }

    #[test]
    fn what_cannot_is_left_out_alone() {
        for odd in [
            json!({"use": "enc"}),
            json!({"use": "x509-svid"}),
            json!({"use": 7}),
            json!({"kty": "OKP"}),
            json!({"kty": "oct"}),
            json!({"kid": ""}),
            json!({"alg": "EdDSA"}),
            json!({"key_ops": ["sign"]}),
        ] {
            let good = ec(&json!({"kid": "2"}));
            assert_eq!(read(&json!([ec(&odd), good])).unwrap(), 1, "{odd}");
        }
    }

    #[test]
    fn a_private_key_a_key_that_is_none_and_a_kid_twice_refuse_the_set() {
        let private = read(&json!([ec(&json!({"d": "AA"}))])).unwrap_err();
        assert!(matches!(private, TrustBundleError::Entry { source: EntryError::PrivateKey, .. }));
        let none = read(&json!([ec(&json!({"x": "AA"}))])).unwrap_err();
        assert!(matches!(none, TrustBundleError::Entry { source: EntryError::Key(_), .. }));
        let twice = read(&json!([ec(&json!({})), ec(&json!({}))])).unwrap_err();
        assert!(matches!(twice, TrustBundleError::DuplicateKeyId));
        for bytes in [&b""[..], b"[]", b"{}", b"{\"keys\":{}}", b"{\"keys\":[],\"keys\":[]}"] {
            let name = TrustDomain::parse("other.example").unwrap();
            assert!(TrustBundle::of_key_set(name, bytes).is_err());
        }
    }
}
