//! What Vault answers, as far as it is read.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use moneyer_authority::store::Cause;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::{VaultError, said};

/// The forms of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

/// Everything else.
#[derive(Debug, Deserialize)]
struct Enveloped<T> {
    data: T,
}

/// What a log-in or a renewal gives.
#[derive(Deserialize)]
pub(super) struct Authenticated {
    pub(super) auth: Auth,
}

#[derive(Deserialize)]
pub(super) struct Auth {
    pub(super) client_token: Zeroizing<String>,
    /// Seconds; 0: it does not end.
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticated(redacted)")
    }
}

/// What Vault knows of the token it is asked with.
#[derive(Debug, Deserialize)]
pub(super) struct TokenLookup {
    /// Seconds until it ends; 0: it does not.
    #[serde(default)]
    pub(super) ttl: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

/// A transit key.
#[derive(Debug, Deserialize)]
pub(super) struct TransitKey {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) latest_version: u32,
    #[serde(default)]
    pub(super) min_encryption_version: u32,
    pub(super) keys: BTreeMap<u32, TransitVersion>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TransitVersion {
    #[serde(default)]
    pub(super) public_key: String,
}

/// A signature, or the signatures of a batch.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    #[serde(default)]
    pub(super) signature: Option<String>,
    #[serde(default)]
    pub(super) batch_results: Option<Vec<BatchItem>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BatchItem {
    #[serde(default)]
    pub(super) signature: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// What is in `data` of a good answer.
pub(super) fn data<T: DeserializeOwned>(body: &Bytes) -> Result<T, VaultError> {
    whole::<Enveloped<T>>(body).map(|enveloped| enveloped.data)
}

/// A good answer as it is.
pub(super) fn whole<T: DeserializeOwned>(body: &Bytes) -> Result<T, VaultError> {
    // The cause could repeat what stands in the body, and that may be a token.
    serde_json::from_slice(body)
        .map_err(|_not_it| VaultError::Answer("a body lacks what it has to say"))
}

/// The body of a good answer; 403 is for whoever knows which token was sent.
pub(super) fn judged(answer: Response<Bytes>) -> Result<Judged, VaultError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(Judged::Good(answer.into_body()));
    }
    let errors: Errors = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = said(&errors.errors);
    match status {
        StatusCode::FORBIDDEN => Ok(Judged::Denied(text)),
        StatusCode::TOO_MANY_REQUESTS => Err(VaultError::Quota),
        // 472 and 473: standbys of a disaster recovery or of performance.
        status if matches!(status.as_u16(), 412 | 472 | 473 | 502..=504) => {
            Err(VaultError::Away { status, text })
        }
        status => Err(VaultError::Refused { status, text }),
    }
}

/// An answer that is no fault of Vault's.
#[derive(Debug)]
pub(super) enum Judged {
    Good(Bytes),
    Denied(String),
}

/// A request's body.
pub(super) fn body(value: &serde_json::Value) -> Result<Bytes, VaultError> {
    let written = serde_json::to_vec(value);
    written.map(Bytes::from).map_err(|error| VaultError::Request(Cause::from(error)))
}
