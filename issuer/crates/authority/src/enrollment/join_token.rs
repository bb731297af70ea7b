//! Join tokens: one-time secrets that make a member.
//!
//! The text carries all a joiner needs beside the coordinator's address: the trust domain, the SHA-256
//! of the authority's certificate to pin on first contact, and the secret. The coordinator keeps only a
//! hash of the secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::TrustDomain;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::enrollment::certificate::Principal;
use crate::store::{Collection, Record};
use crate::x509::hex;

/// What marks a join token of this form.
const PREFIX: &str = "mjt1.";

/// Longest join token in bytes: one has about 300.
const MAXIMUM_BYTES: usize = 2048;

/// A join token's text. Shown once, by [`JoinToken::expose`].
#[derive(Clone)]
pub struct JoinToken(Zeroizing<String>);

impl JoinToken {
    /// The text, for the operator who invited.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(redacted)")
    }
}

/// What is in a join token.
#[derive(Serialize, Deserialize)]
pub(super) struct Contents {
    /// The trust domain.
    td: TrustDomain,
    /// SHA-256 of the authority's certificate, hexadecimal.
    ca: String,
    /// Which invitation.
    pub(super) id: String,
    /// The secret, hexadecimal.
    pub(super) secret: Zeroizing<String>,
    /// Who is invited.
    #[serde(flatten)]
    principal: Principal,
}

impl Contents {
    pub(super) fn new(
        trust_domain: TrustDomain,
        authority: &[u8],
        principal: Principal,
    ) -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0_u8; 8], Zeroizing::new([0_u8; 32]));
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut *secret)?;
        Ok(Self {
            td: trust_domain,
            ca: hex_all(&sha256(authority)),
            id: hex_all(&id),
            secret: Zeroizing::new(hex_all(&*secret)),
            principal,
        })
    }

    pub(super) fn seal(&self) -> Result<JoinToken, serde_json::Error> {
        let json = Zeroizing::new(serde_json::to_vec(self)?);
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&*json));
        Ok(JoinToken(Zeroizing::new(text)))
    }

    pub(super) fn open(text: &str) -> Option<Self> {
        if text.len() > MAXIMUM_BYTES {
            return None;
        }
        let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?);
        serde_json::from_slice(&json).ok()
    }

    pub(super) fn record(&self, expires_at: UnixTime) -> Invitation {
        Invitation {
            id: self.id.clone(),
            secret_sha256: hex_all(&sha256(self.secret.as_bytes())),
            principal: self.principal.clone(),
            expires_at,
        }
    }
}

/// What is stored of a join token not yet spent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Invitation {
    pub(super) id: String,
    secret_sha256: String,
    pub(super) principal: Principal,
    pub(super) expires_at: UnixTime,
}

impl Invitation {
    /// Whether the secret is this invitation's. Compared in constant time.
    pub(super) fn is_met_by(&self, secret: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        let presented = hex_all(&sha256(secret.as_bytes()));
        presented.as_bytes().ct_eq(self.secret_sha256.as_bytes()).into()
    }
}

impl Record for Invitation {
    const COLLECTION: Collection = Collection::JoinTokens;

    fn id(&self) -> String {
        self.id.clone()
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

/// Every byte, leading zeros too.
fn hex_all(bytes: &[u8]) -> String {
    let text = hex(bytes);
    format!("{text:0>width$}", width = bytes.len() * 2)
}
