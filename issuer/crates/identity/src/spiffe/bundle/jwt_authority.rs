//! A key that JWT-SVIDs of a trust domain are signed with.
//!
//! Made only of RSA keys and of EC keys on P-256, P-384 and P-521, so an `EdDSA` or symmetric key cannot
//! stand in a bundle, whoever asks for it (JWT-SVID section 2.1). Signatures are checked by josekit. A
//! verifier is made once: the first when the key is read, which tells a key that is none, the others of an
//! RSA key when a token asks for them, since each costs a third of a millisecond.

use std::fmt;
use std::sync::{Arc, OnceLock};

use josekit::jws::{ES256, ES384, ES512, JwsVerifier, PS256, PS384, PS512, RS256, RS384, RS512};
use serde_json::{Map, Value};

use super::public_members::PublicMembers;
use crate::key::{KeyError, KeyId, KeySet, VerifyingKey};
use crate::spiffe::algorithm::SvidAlgorithm;

/// A verifying key of a trust bundle. Two are equal if their `kid` and their key are.
#[derive(Clone)]
pub struct JwtAuthority {
    key_id: KeyId,
    pub(super) members: PublicMembers,
    check: Check,
}

#[derive(Clone)]
enum Check {
    /// One of our own, which has one algorithm.
    Own(SvidAlgorithm, Box<VerifyingKey>),
    Foreign(Arc<[(SvidAlgorithm, Lazy)]>),
}

/// A verifier that is made when it is first asked for; `None` inside if it cannot be.
#[derive(Default)]
struct Lazy(OnceLock<Option<Box<dyn JwsVerifier>>>);

impl JwtAuthority {
    /// One of our own keys under its own `kid`; `None` for an `EdDSA` key, which signs no SVID.
    #[must_use]
    pub fn of_key(key: &VerifyingKey) -> Option<Self> {
        let (algorithm, members) = PublicMembers::of_key(key)?;
        let check = Check::Own(algorithm, Box::new(key.clone()));
        Some(Self { key_id: key.key_id().clone(), members, check })
    }

    /// Those keys of a set that can sign JWT-SVIDs.
    #[must_use]
    pub fn of_keys(keys: &KeySet) -> Vec<Self> {
        keys.iter().filter_map(Self::of_key).collect()
    }

    /// A foreign key, for one algorithm if its entry names one, else for every one it fits.
    pub(super) fn new(
        key_id: KeyId,
        members: PublicMembers,
        only: Option<SvidAlgorithm>,
    ) -> Result<Self, KeyError> {
        let checks: Vec<_> = members
            .algorithms()
            .iter()
            .filter(|&&algorithm| only.is_none_or(|only| only == algorithm))
            .map(|&algorithm| (algorithm, Lazy::default()))
            .collect();
        let (first, lazy) = checks.first().ok_or(KeyError::Unsupported)?;
        let verifier = verifier(*first, &members)?;
        lazy.0.get_or_init(|| Some(verifier));
        Ok(Self { key_id, members, check: Check::Foreign(checks.into()) })
    }

    /// The `kid` it goes by, in every view.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Whether it verifies signatures of this algorithm.
    #[must_use]
    pub fn verifies(&self, algorithm: SvidAlgorithm) -> bool {
        match &self.check {
            Check::Own(own, _) => *own == algorithm,
            Check::Foreign(checks) => checks.iter().any(|(with, _)| *with == algorithm),
        }
    }

    /// The algorithm, where it has exactly one.
    pub(super) fn only_algorithm(&self) -> Option<SvidAlgorithm> {
        match &self.check {
            Check::Own(own, _) => Some(*own),
            Check::Foreign(checks) => match checks.as_ref() {
                [(only, _)] => Some(*only),
                _ => None,
            },
        }
    }

    /// Whether the signature is this key's over these bytes. For the checks of JWT-SVIDs and of other issuers' tokens
    /// alone: a `bool` must not travel.
    pub(crate) fn signed(
        &self,
        algorithm: SvidAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        // OpenSSL takes a PSS signature that is short of its leading zeros: the same one written twice.
        if self.members.modulus_bytes().is_some_and(|bytes| signature.len() != bytes) {
            return false;
        }
        match &self.check {
            Check::Own(own, key) => *own == algorithm && key.signed(message, signature),
            Check::Foreign(checks) => checks
                .iter()
                .find(|(with, _)| *with == algorithm)
                .and_then(|(_, lazy)| {
                    lazy.0.get_or_init(|| verifier(algorithm, &self.members).ok()).as_ref()
                })
                .is_some_and(|verifier| verifier.verify(message, signature).is_ok()),
        }
    }
}

impl PartialEq for JwtAuthority {
    fn eq(&self, other: &Self) -> bool {
        (&self.key_id, &self.members) == (&other.key_id, &other.members)
    }
}

impl Eq for JwtAuthority {}

impl fmt::Debug for JwtAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtAuthority({})", self.key_id)
    }
}

fn verifier(
    algorithm: SvidAlgorithm,
    members: &PublicMembers,
) -> Result<Box<dyn JwsVerifier>, KeyError> {
    let invalid = |error: josekit::JoseError| KeyError::Invalid(Box::new(error));
    let map: Map<String, Value> = members
        .members()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect();
    let jwk = josekit::jwk::Jwk::from_map(map).map_err(invalid)?;
    match algorithm {
        SvidAlgorithm::RS256 => RS256.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::RS384 => RS384.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::RS512 => RS512.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::ES256 => ES256.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::ES384 => ES384.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::ES512 => ES512.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::PS256 => PS256.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::PS384 => PS384.verifier_from_jwk(&jwk).map(boxed),
        SvidAlgorithm::PS512 => PS512.verifier_from_jwk(&jwk).map(boxed),
    }
    .map_err(invalid)
}

fn boxed(verifier: impl JwsVerifier + 'static) -> Box<dyn JwsVerifier> {
    Box::new(verifier)
}
