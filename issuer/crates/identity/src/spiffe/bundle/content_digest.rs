//! Whether a bundle says something else than before.
//!
//! `spiffe_sequence` must change exactly when the content does (bundle standard, section 4.1.1). The
//! digest is over everything but that number: the trust domain, the authorities in their fixed order and
//! the refresh hint. Every part is preceded by its length, so no two contents run together.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::trust_bundle::TrustBundle;

/// The SHA-256 of a bundle's content, as text that can be kept and compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ContentDigest(String);

impl ContentDigest {
    pub(super) fn of(bundle: &TrustBundle) -> Self {
        let mut parts = Parts(openssl::sha::Sha256::new());
        parts.add(bundle.trust_domain().as_str().as_bytes());
        parts.count(bundle.x509_authorities().len());
        for authority in bundle.x509_authorities() {
            parts.add(authority.der());
        }
        parts.count(bundle.jwt_authorities().len());
        for authority in bundle.jwt_authorities() {
            parts.add(authority.key_id().as_str().as_bytes());
            for (name, text) in authority.members.members() {
                parts.add(name.as_bytes());
                parts.add(text.as_bytes());
            }
        }
        let hint = bundle.refresh_hint().map(|hint| hint.as_secs().to_string());
        parts.add(hint.unwrap_or_default().as_bytes());
        Self(URL_SAFE_NO_PAD.encode(parts.0.finish()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Parts(openssl::sha::Sha256);

impl Parts {
    fn count(&mut self, number: usize) {
        self.0.update(&(number as u64).to_be_bytes());
    }

    fn add(&mut self, part: &[u8]) {
        self.count(part.len());
        self.0.update(part);
    }
}
