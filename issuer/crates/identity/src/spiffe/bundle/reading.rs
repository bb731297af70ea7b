//! Reading the document of a bundle (bundle standard, section 4; JWT-SVID and X509-SVID, section 6).
//!
//! Left out alone, as the standard asks: an entry whose `kty` is unknown, whose `use` is missing or
//! unknown, or that has no certificate; and, because no SVID could be verified with it, a key of a size,
//! curve or algorithm that JWT-SVIDs do not have. Everything else that is wrong refuses the document, so a
//! half-read bundle never takes the place of a whole one. A certificate has to be that of its entry's key.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::jwt_authority::JwtAuthority;
use super::public_members::{MembersOf, PublicMembers};
use super::trust_bundle::{MAXIMUM_AUTHORITIES, TrustBundle, TrustBundleError};
use super::x509_authority::{X509Authority, X509AuthorityError};
use crate::key::{KeyError, KeyId, PRIVATE_MEMBERS};
use crate::spiffe::TrustDomain;
use crate::spiffe::algorithm::SvidAlgorithm;
use crate::strict_json;

/// Longest document in bytes: the most entries there may be, of RSA-4096, need about 700 KiB.
pub const MAXIMUM_BUNDLE_BYTES: usize = 1024 * 1024;

/// Why an entry of a known kind is refused, and its document with it.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// `kid` is missing, empty, too long or not plain text.
    #[error("its kid is missing or not 1 to 1024 visible ASCII characters")]
    KeyId,
    /// A private key was published.
    #[error("it holds private key material; whoever published it must replace that key at once")]
    PrivateKey,
    /// The key's members are missing, malformed or no key.
    #[error("its key cannot be read")]
    Key(#[source] KeyError),
    /// `x5c` is not an array of base64 texts.
    #[error("its x5c is not an array of base64 certificates")]
    Chain,
    /// The certificate is no authority's.
    #[error("its certificate is not that of an authority")]
    Authority(#[source] X509AuthorityError),
    /// The members of the key are not those of the certificate.
    #[error("its key is not the one in its certificate")]
    OtherKey,
}

impl TrustBundle {
    /// Reads the document of this trust domain.
    pub fn parse(trust_domain: TrustDomain, bytes: &[u8]) -> Result<Self, TrustBundleError> {
        if bytes.len() > MAXIMUM_BUNDLE_BYTES {
            return Err(TrustBundleError::TooLong);
        }
        let document =
            strict_json::object(bytes).map_err(|_not_json| TrustBundleError::Malformed)?;
        Self::of_object(trust_domain, &document)
    }

    pub(super) fn of_object(
        trust_domain: TrustDomain,
        document: &Map<String, Value>,
    ) -> Result<Self, TrustBundleError> {
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err(TrustBundleError::Malformed);
        };
        if entries.len() > MAXIMUM_AUTHORITIES {
            return Err(TrustBundleError::TooManyEntries);
        }
        let (mut certificates, mut keys, mut key_ids) = (Vec::new(), Vec::new(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            let refused = |source| TrustBundleError::Entry { index, source };
            match Entry::of(entry).map_err(refused)? {
                Some(Entry::Jwt(entry)) => {
                    key_ids.push(key_id(entry).map_err(refused)?);
                    keys.extend(jwt_authority(entry).map_err(refused)?);
                }
                Some(Entry::X509(entry)) => {
                    certificates.extend(x509_authority(entry).map_err(refused)?);
                }
                // Not read, but its kid is taken (JWT-SVID section 6, WIT-SVID section 6.1).
                Some(Entry::Wit(entry)) => key_ids.extend(key_id(entry).ok()),
                None => {}
            }
        }
        key_ids.sort_unstable();
        if key_ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(TrustBundleError::DuplicateKeyId);
        }
        let mut bundle = Self::new(trust_domain, certificates, keys)?;
        if let Some(value) = document.get("spiffe_sequence") {
            bundle = bundle.with_sequence(value.as_u64().ok_or(TrustBundleError::Sequence)?);
        }
        if let Some(value) = document.get("spiffe_refresh_hint") {
            let seconds = value.as_u64().ok_or(TrustBundleError::RefreshHint)?;
            bundle = bundle.with_refresh_hint(Duration::from_secs(seconds));
        }
        Ok(bundle)
    }
}

/// An entry by its use.
enum Entry<'a> {
    X509(&'a Map<String, Value>),
    Jwt(&'a Map<String, Value>),
    Wit(&'a Map<String, Value>),
}

impl<'a> Entry<'a> {
    /// `None` for one that is to be left out alone.
    fn of(entry: &'a Value) -> Result<Option<Self>, EntryError> {
        let entry = entry.as_object().ok_or(EntryError::NotAnObject)?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        if !matches!(text("kty"), Some("RSA" | "EC" | "OKP")) {
            return Ok(None);
        }
        let found = match text("use") {
            Some("x509-svid") => Self::X509(entry),
            Some("jwt-svid") => Self::Jwt(entry),
            Some("wit-svid") => Self::Wit(entry),
            _ => return Ok(None),
        };
        if PRIVATE_MEMBERS.iter().any(|member| entry.contains_key(*member)) {
            return Err(EntryError::PrivateKey);
        }
        Ok(Some(found))
    }
}

pub(super) fn key_id(entry: &Map<String, Value>) -> Result<KeyId, EntryError> {
    entry.get("kid").and_then(Value::as_str).and_then(KeyId::parse).ok_or(EntryError::KeyId)
}

pub(super) fn jwt_authority(
    entry: &Map<String, Value>,
) -> Result<Option<JwtAuthority>, EntryError> {
    let MembersOf::Key(members) = PublicMembers::of_entry(entry).map_err(EntryError::Key)? else {
        return Ok(None);
    };
    let only = match entry.get("alg") {
        None => None,
        Some(name) => match name.as_str().and_then(SvidAlgorithm::from_name) {
            Some(algorithm) if members.algorithms().contains(&algorithm) => Some(algorithm),
            _ => return Ok(None),
        },
    };
    let verifies = entry.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|list| list.iter().any(|item| item == "verify"))
    });
    if !verifies {
        return Ok(None);
    }
    JwtAuthority::new(key_id(entry)?, members, only).map(Some).map_err(EntryError::Key)
}

fn x509_authority(entry: &Map<String, Value>) -> Result<Option<X509Authority>, EntryError> {
    // The first alone is read: the others, if any, are not authorities (X509-SVID section 6.1).
    let first = match entry.get("x5c") {
        None => return Ok(None),
        Some(Value::Array(chain)) => match chain.first() {
            None => return Ok(None),
            Some(first) => first.as_str().ok_or(EntryError::Chain)?,
        },
        Some(_) => return Err(EntryError::Chain),
    };
    let der = STANDARD.decode(first).map_err(|_not_base64| EntryError::Chain)?;
    let authority = match X509Authority::parse(&der) {
        Err(X509AuthorityError::Key) => return Ok(None),
        authority => authority.map_err(EntryError::Authority)?,
    };
    for (name, text) in authority.members.members() {
        if entry.get(name).is_some_and(|said| !is_same(name, said, text)) {
            return Err(EntryError::OtherKey);
        }
    }
    Ok(Some(authority))
}

/// Whether a member of an entry is that of the certificate. Numbers may have leading zeros.
fn is_same(name: &str, said: &Value, text: &str) -> bool {
    let number = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(bytes.into_iter().skip_while(|&byte| byte == 0).collect::<Vec<_>>())
    };
    match said.as_str() {
        Some(said) if matches!(name, "n" | "e" | "x" | "y") => {
            number(said).is_some_and(|said| Some(said) == number(text))
        }
        said => said == Some(text),
    }
}
