//! A JWT-SVID that passed every check, and what it says.

use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::key::KeyId;
use crate::spiffe::SpiffeId;

/// Whose a JWT-SVID is, proved by a key of that id's own trust domain.
///
/// Only [`super::JwtSvidRules::verify`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedJwtSvid {
    pub(super) id: SpiffeId,
    pub(super) audiences: Vec<String>,
    pub(super) expires_at: UnixTime,
    pub(super) key_id: KeyId,
    pub(super) claims: Map<String, Value>,
}

impl VerifiedJwtSvid {
    /// `sub`: a workload's id, with a path.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Every value of `aud`, none of them empty.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The key that signed it.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Every claim, as it stands in the token.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}
