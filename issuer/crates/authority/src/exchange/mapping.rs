//! Resource mappings: what a client may ask for in a participant context.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::{Audience, Lifetime, UnixTime};
use serde::{Deserialize, Serialize};

use super::client::ClientIdentifier;
use super::context::ParticipantContext;
use super::scope::ScopeName;
use crate::store::{Collection, Record};

/// Most scopes, and most audiences, of one mapping: with the longest there may be they fit a record.
pub const MAXIMUM_GRANTS: usize = 64;

/// Which mapping: of a client in a participant context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingKey {
    /// The client.
    pub client: ClientIdentifier,
    /// The context.
    pub context: ParticipantContext,
}

/// Why what is said is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Too many scopes or audiences.
    #[error("a mapping has {MAXIMUM_GRANTS} scopes and {MAXIMUM_GRANTS} audiences at most")]
    TooMany,
    /// A uid is pinned of a whole namespace.
    #[error("every service account has a uid of its own, so a mapping of a namespace pins none")]
    PinnedNamespace,
    /// The uid is none.
    #[error("a service account's uid has 1 to 64 visible ASCII characters")]
    Uid,
}

/// What a client may ask for in a participant context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceMapping {
    /// The client, or every service account of a namespace.
    pub client_identifier: ClientIdentifier,
    /// The context it may speak for.
    pub participant_context: ParticipantContext,
    /// The scopes it may ask for.
    pub scopes: BTreeSet<ScopeName>,
    /// The audiences it may ask for. Empty: the usual one alone.
    #[serde(default)]
    pub audiences: BTreeSet<Audience>,
    /// Whether it counts. One that does not refuses: less specific ones do not take its place.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// From this second on it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
    /// How long its tokens live, in seconds, where that is not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifetime: Option<Lifetime>,
    /// The service account it is for: one that is made again under the same name has another uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_uid: Option<String>,
    /// Whether each proof is good for one exchange alone.
    #[serde(default, skip_serializing_if = "is_no")]
    pub spend_once: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_no(value: &bool) -> bool {
    !*value
}

impl ResourceMapping {
    /// Which it is.
    #[must_use]
    pub fn key(&self) -> MappingKey {
        MappingKey {
            client: self.client_identifier.clone(),
            context: self.participant_context.clone(),
        }
    }

    /// The same, if it can be kept.
    pub(super) fn checked(self) -> Result<Self, MappingError> {
        if self.scopes.len() > MAXIMUM_GRANTS || self.audiences.len() > MAXIMUM_GRANTS {
            return Err(MappingError::TooMany);
        }
        if let Some(uid) = &self.service_account_uid {
            if self.client_identifier.is_pattern() {
                return Err(MappingError::PinnedNamespace);
            }
            let visible = uid.bytes().all(|byte| byte.is_ascii_graphic());
            if uid.is_empty() || uid.len() > 64 || !visible {
                return Err(MappingError::Uid);
            }
        }
        Ok(self)
    }
}

impl Record for ResourceMapping {
    const COLLECTION: Collection = Collection::Mappings;

    /// Names may be longer than an id, so their digest stands for them.
    fn id(&self) -> String {
        // Neither has a blank in it.
        let named = format!("{} {}", self.client_identifier, self.participant_context);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, named.as_bytes()))
    }
}
