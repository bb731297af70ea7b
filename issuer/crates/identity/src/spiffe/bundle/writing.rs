//! The views of a bundle that others read.
//!
//! One key has one `kid` in all of them. The SPIFFE document has `use` and no `alg` (bundle standard,
//! section 4.2); the key set for the Workload API has neither and no certificates (Workload API section
//! 6.3); the key set for stock JWT libraries has `use` = `sig`, the only one they take, and `alg` where
//! the key has one. The same content is the same bytes: names stand in the order of the alphabet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::jwt_authority::JwtAuthority;
use super::public_members::PublicMembers;
use super::trust_bundle::TrustBundle;
use super::x509_authority::X509Authority;
use crate::spiffe::algorithm::SvidAlgorithm;

/// Characters of a line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

impl TrustBundle {
    /// The document that bundle endpoints serve.
    #[must_use]
    pub fn to_document(&self) -> String {
        Value::Object(self.to_object()).to_string()
    }

    pub(super) fn to_object(&self) -> Map<String, Value> {
        let certificates = self.x509_authorities().iter().map(x509_entry);
        let keys = self.jwt_authorities().iter().map(|key| jwt_entry(key, None, Some("jwt-svid")));
        let mut document = Map::new();
        document.insert("keys".to_owned(), certificates.chain(keys).collect());
        if let Some(hint) = self.refresh_hint() {
            document.insert("spiffe_refresh_hint".to_owned(), hint.as_secs().into());
        }
        if let Some(sequence) = self.sequence() {
            document.insert("spiffe_sequence".to_owned(), sequence.into());
        }
        document
    }

    /// The JWK Set of JWT authorities that the Workload API hands out.
    #[must_use]
    pub fn to_workload_jwks(&self) -> String {
        self.key_set(|key| jwt_entry(key, None, None))
    }

    /// The JWK Set of JWT authorities for libraries that know nothing of SPIFFE.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let algorithm = |key: &JwtAuthority| key.only_algorithm().map(SvidAlgorithm::as_str);
        self.key_set(|key| jwt_entry(key, algorithm(key), Some("sig")))
    }

    fn key_set(&self, entry: impl Fn(&JwtAuthority) -> Value) -> String {
        let keys: Vec<_> = self.jwt_authorities().iter().map(entry).collect();
        json!({ "keys": keys }).to_string()
    }

    /// The X.509 authorities as PEM, one after the other; empty if there are none.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.x509_authorities().iter().map(pem).collect()
    }

    /// The X.509 authorities as DER, one after the other, as the Workload API hands them out.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        self.x509_authorities().iter().flat_map(X509Authority::der).copied().collect()
    }
}

fn x509_entry(authority: &X509Authority) -> Value {
    let mut entry = members(&authority.members);
    entry.insert("use".to_owned(), "x509-svid".into());
    entry.insert("x5c".to_owned(), json!([STANDARD.encode(authority.der())]));
    Value::Object(sorted(entry))
}

fn jwt_entry(key: &JwtAuthority, algorithm: Option<&str>, key_use: Option<&str>) -> Value {
    let mut entry = members(&key.members);
    entry.insert("kid".to_owned(), key.key_id().as_str().into());
    if let Some(algorithm) = algorithm {
        entry.insert("alg".to_owned(), algorithm.into());
    }
    if let Some(key_use) = key_use {
        entry.insert("use".to_owned(), key_use.into());
    }
    Value::Object(sorted(entry))
}

fn members(members: &PublicMembers) -> Map<String, Value> {
    members.members().into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// Whatever order the map keeps, which is a feature of its crate that any other can turn on.
fn sorted(map: Map<String, Value>) -> Map<String, Value> {
    let mut pairs: Vec<_> = map.into_iter().collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    pairs.into_iter().collect()
}

fn pem(authority: &X509Authority) -> String {
    let text = STANDARD.encode(authority.der());
    let lines = text.as_bytes().chunks(PEM_LINE).map(String::from_utf8_lossy);
    let body: String = lines.flat_map(|line| [line, "\n".into()]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}
