//! The management API's JSON. The command line reads the same types.

use moneyer_authority::enrollment::Member;
use moneyer_authority::keys::{KeyRecord, KeyState};
use moneyer_authority::registry::{App, Placed};
use moneyer_identity::{
    Algorithm, AppName, Audience, IssuerUrl, KeyId, RoleName, RunnerId, SandboxId, TokenId,
    UnixTime,
};
use serde::{Deserialize, Serialize};

/// The issuer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IssuerView {
    /// The value of `iss`.
    pub(crate) issuer: IssuerUrl,
    /// Where the key set is.
    pub(crate) jwks_uri: String,
    /// The trust domain of members and sandboxes.
    pub(crate) trust_domain: String,
}

/// A signing key, without anything private.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyView {
    pub(crate) key_id: KeyId,
    pub(crate) state: KeyState,
    #[serde(default)]
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) created_at: UnixTime,
    pub(crate) published_at: UnixTime,
    pub(crate) activated_at: Option<UnixTime>,
    pub(crate) sign_until: Option<UnixTime>,
}

impl From<&KeyRecord> for KeyView {
    fn from(record: &KeyRecord) -> Self {
        Self {
            key_id: record.key_id.clone(),
            state: record.state,
            algorithm: record.public.alg,
            created_at: record.created_at,
            published_at: record.published_at,
            activated_at: record.activated_at,
            sign_until: record.sign_until,
        }
    }
}

/// An app.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppView {
    pub(crate) name: AppName,
    pub(crate) uid: String,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) created_at: UnixTime,
    pub(crate) sandboxes: usize,
}

impl AppView {
    pub(crate) fn of(app: &App, sandboxes: usize) -> Self {
        Self {
            name: app.name.clone(),
            uid: app.uid.as_str().to_owned(),
            audiences: app.audiences.clone(),
            created_at: app.created_at,
            sandboxes,
        }
    }
}

/// What is said of an app.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppBody {
    #[serde(default)]
    pub(crate) audiences: Vec<Audience>,
}

/// A sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SandboxView {
    pub(crate) id: SandboxId,
    pub(crate) app: AppName,
    pub(crate) runner: RunnerId,
    pub(crate) role: Option<RoleName>,
    pub(crate) placed_at: UnixTime,
}

impl From<&Placed> for SandboxView {
    fn from(placed: &Placed) -> Self {
        let sandbox = &placed.sandbox;
        Self {
            id: sandbox.id.clone(),
            app: sandbox.app.clone(),
            runner: sandbox.runner.clone(),
            role: sandbox.role.clone(),
            placed_at: sandbox.placed_at,
        }
    }
}

/// What is said of a sandbox.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxBody {
    pub(crate) app: AppName,
    pub(crate) runner: RunnerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<RoleName>,
}

/// Some sandboxes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SandboxPage {
    pub(crate) sandboxes: Vec<SandboxView>,
    /// Ask for `after` this; `null` on the last page.
    pub(crate) next: Option<SandboxId>,
}

/// Which sandboxes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxQuery {
    pub(crate) app: Option<AppName>,
    pub(crate) runner: Option<RunnerId>,
    pub(crate) after: Option<SandboxId>,
    #[serde(default)]
    pub(crate) limit: usize,
}

/// What token is asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MintBody {
    #[serde(default)]
    pub(crate) audiences: Vec<Audience>,
    #[serde(default)]
    pub(crate) lifetime_seconds: Option<u32>,
}

/// A minted token.
#[derive(Serialize, Deserialize)]
pub(crate) struct MintView {
    pub(crate) token: String,
    pub(crate) expires_at: UnixTime,
    pub(crate) expires_in_seconds: u32,
    pub(crate) key_id: KeyId,
    pub(crate) token_id: TokenId,
}

/// A runner or controller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberView {
    pub(crate) name: String,
    pub(crate) joined_at: UnixTime,
    pub(crate) certificate_ends_at: UnixTime,
    pub(crate) sandboxes: usize,
}

impl MemberView {
    pub(crate) fn of(member: &Member, sandboxes: usize) -> Self {
        Self {
            name: member.name.clone(),
            joined_at: member.joined_at,
            certificate_ends_at: member.certificate_ends_at,
            sandboxes,
        }
    }
}

/// Who is invited.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationBody {
    pub(crate) name: String,
    /// Default: one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifetime_seconds: Option<u32>,
}

/// An invitation. The join token is shown this once.
#[derive(Serialize, Deserialize)]
pub(crate) struct InvitationView {
    pub(crate) name: String,
    pub(crate) join_token: String,
    pub(crate) expires_at: UnixTime,
}
