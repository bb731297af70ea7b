//! The management API's JSON. The command line reads the same types.

use std::path::{Path, PathBuf};

use moneyer_authority::enrollment::Member;
use moneyer_authority::keys::{
    KeyCommand, KeyKinds, KeyRecord, KeyState, KeysError, Line, Outlook, Schedule, Step, Waiting,
};
use moneyer_authority::registry::{App, Placed};
use moneyer_identity::spiffe::SpiffeIdEnding;
use moneyer_identity::{
    Algorithm, AppName, Audience, ClockReport, CloudAccounts, IssuerUrl, Jwk, KeyError, KeyId,
    OrganizationId, RoleName, RunnerId, SandboxId, TokenId, UnixTime, VerifyingKey,
};
use moneyer_store::Copied;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The issuer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct IssuerView {
    /// The value of `iss`.
    pub(crate) issuer: IssuerUrl,
    /// From when tokens name it.
    pub(crate) since: UnixTime,
    /// Where the key set is.
    pub(crate) jwks_uri: String,
    /// The trust domain of members and sandboxes.
    pub(crate) trust_domain: String,
    /// The organization that subjects begin with, if the cluster has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) organization_id: Option<OrganizationId>,
    /// How long a key is published before it signs.
    pub(crate) publish_before_use_seconds: u64,
    /// What live tokens may still name, the one left last first.
    pub(crate) previous: Vec<PreviousIssuerView>,
}

/// A previous issuer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PreviousIssuerView {
    pub(crate) issuer: IssuerUrl,
    pub(crate) left_at: UnixTime,
    /// Until when it is served and verified.
    pub(crate) until: UnixTime,
}

/// How it stands with the clock.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ClockView {
    /// `sound`, or the fault: `jumped`, `behind`, `ahead`.
    pub(crate) state: String,
    /// Why nothing is minted, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// What the wall clock says.
    pub(crate) wall: UnixTime,
    /// Where the time since boot puts it; `None`: it was never sound since the start.
    pub(crate) expected: Option<UnixTime>,
    /// The latest time seen.
    pub(crate) mark: Option<UnixTime>,
    /// Whether the mark was missing at the start.
    pub(crate) mark_was_missing: bool,
    /// What has certainly come: keys leave the key set by it.
    pub(crate) proven: Option<UnixTime>,
    /// Running time until `proven` is the wall clock's again.
    pub(crate) settles_in_seconds: u64,
}

impl From<ClockReport> for ClockView {
    fn from(report: ClockReport) -> Self {
        Self {
            state: report.fault.map_or("sound", |fault| fault.as_str()).to_owned(),
            problem: report.fault.map(|fault| fault.to_string()),
            wall: report.wall,
            expected: report.expected,
            mark: report.mark,
            mark_was_missing: report.mark_was_missing,
            proven: report.proven,
            settles_in_seconds: report.settles_in.as_secs(),
        }
    }
}

/// The time that an operator says it is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockBody {
    pub(crate) time: UnixTime,
}

/// Where the issuer moves.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveBody {
    pub(crate) issuer: IssuerUrl,
}

/// A signing key, without anything private.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyView {
    pub(crate) key_id: KeyId,
    pub(crate) state: KeyState,
    #[serde(default)]
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) created_at: UnixTime,
    pub(crate) published_at: Option<UnixTime>,
    pub(crate) activated_at: Option<UnixTime>,
    pub(crate) sign_until: Option<UnixTime>,
    /// What comes next for it.
    pub(crate) next: Option<StepView>,
}

/// A step to come, or one that was or would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StepView {
    /// `prepare`, `publish`, `lapse`, `activate`, `extend`, `prune`, `request`, `retire` or `withdraw`.
    pub(crate) step: String,
    /// The key, or the keys, it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) key_ids: Vec<KeyId>,
    /// When at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<UnixTime>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits_for: Option<Waiting>,
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        let key_ids = match step {
            Step::Withdraw(key_ids) => key_ids.clone(),
            _ => step.key_id().into_iter().cloned().collect(),
        };
        Self { step: step.as_str().to_owned(), key_ids, at: None, waits_for: None }
    }
}

impl From<&Outlook> for StepView {
    fn from(next: &Outlook) -> Self {
        Self { at: next.at, waits_for: Some(next.waiting), ..Self::from(&next.step) }
    }
}

impl StepView {
    /// What of the outlook is about a key; about the active one of a line: what becomes of its successor.
    pub(super) fn next_of(
        (key_id, state, line): (&KeyId, KeyState, Line),
        outlook: &[Outlook],
    ) -> Option<Self> {
        let about = |next: &&Outlook| match &next.step {
            Step::Extend(..) => false,
            Step::Prepare(_) | Step::Publish(_) | Step::Lapse(_) | Step::Activate(_)
                if state == KeyState::Active =>
            {
                next.line == line
            }
            step => step.key_id() == Some(key_id),
        };
        outlook.iter().find(about).map(Self::from)
    }
}

impl KeyView {
    /// A key, and what comes next for it.
    pub(crate) fn of(record: &KeyRecord, outlook: &[Outlook]) -> Self {
        let about = (&record.key_id, record.state, record.line);
        Self {
            key_id: record.key_id.clone(),
            state: record.state,
            algorithm: record.public.alg,
            created_at: record.created_at,
            published_at: record.published_at,
            activated_at: record.activated_at,
            sign_until: record.sign_until,
            next: StepView::next_of(about, outlook),
        }
    }
}

/// What is asked of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyVerb {
    Prepare,
    Activate,
    Rotate,
    Emergency,
    Retire,
    Prune,
}

/// A command for the keys.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyCommandBody {
    pub(crate) command: KeyVerb,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<KeyId>,
    /// Of which algorithm a key is prepared. None: that of the primary line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) algorithm: Option<Algorithm>,
    /// Only say what would be done.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl KeyCommandBody {
    /// The command, or `None` where it needs a key and names none, or names one or an algorithm that it has
    /// no use for.
    pub(crate) fn command(&self, kinds: KeyKinds) -> Result<Option<KeyCommand>, KeysError> {
        let line = match (self.command, self.algorithm) {
            (_, None) => Line::Primary,
            (KeyVerb::Prepare, Some(of)) => kinds.line_of(of).ok_or(KeysError::NoSuchLine)?,
            (_, Some(_)) => return Ok(None),
        };
        Ok(match (self.command, self.key_id.clone()) {
            (KeyVerb::Prepare, None) => Some(KeyCommand::Prepare(line)),
            (KeyVerb::Rotate, None) => Some(KeyCommand::Rotate),
            (KeyVerb::Activate, key_id) => Some(KeyCommand::Activate(key_id)),
            (KeyVerb::Emergency, key_id) => Some(KeyCommand::Emergency(key_id)),
            (KeyVerb::Retire, Some(key_id)) => Some(KeyCommand::Retire(key_id)),
            (KeyVerb::Prune, key_id) => Some(KeyCommand::Prune(key_id)),
            (KeyVerb::Prepare | KeyVerb::Rotate, Some(_)) | (KeyVerb::Retire, None) => None,
        })
    }
}

/// What became of a command.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyStepsView {
    /// Whether nothing was done.
    pub(crate) dry_run: bool,
    /// What was or would be done.
    pub(crate) steps: Vec<StepView>,
    /// What comes next after that, the earliest first.
    pub(crate) outlook: Vec<StepView>,
    /// The key that signs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signs: Option<KeyId>,
}

/// A public key as in a key set. Members of a private key are unknown here, so they are refused.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicKeyBody {
    pub(crate) kty: String,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub(crate) key_use: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alg: Option<Algorithm>,
    /// What its tokens name. Default: its RFC 7638 thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<KeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) y: Option<String>,
}

impl From<&Jwk> for PublicKeyBody {
    fn from(jwk: &Jwk) -> Self {
        let Jwk { kty, key_use, alg, kid, n, e, crv, x, y, x5c: _ } = jwk.clone();
        Self { kty, key_use, alg, kid, n, e, crv, x, y }
    }
}

impl PublicKeyBody {
    /// The key, if it is for signatures and one of ours.
    pub(crate) fn verifying_key(self) -> Result<VerifyingKey, KeyError> {
        let Self { kty, key_use, alg, kid, n, e, crv, x, y } = self;
        if key_use.as_deref().is_some_and(|key_use| key_use != "sig") {
            return Err(KeyError::Unsupported);
        }
        VerifyingKey::from_jwk(&Jwk { kty, key_use, alg, kid, n, e, crv, x, y, x5c: None })
    }
}

/// Keys of another issuer, to verify with.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    pub(crate) keys: Vec<PublicKeyBody>,
    /// Only say what would be done.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What an import added.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ImportedView {
    /// Whether nothing was done.
    pub(crate) dry_run: bool,
    /// The keys that were not known before.
    pub(crate) keys: Vec<ImportedKeyView>,
}

/// A key that was or would be added.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ImportedKeyView {
    pub(crate) key_id: KeyId,
    #[serde(default)]
    pub(crate) algorithm: Option<Algorithm>,
    /// Until when it is in the key set.
    pub(crate) verifies_until: UnixTime,
}

impl ImportedKeyView {
    pub(crate) fn of(record: &KeyRecord, schedule: &Schedule) -> Self {
        let ends = record.sign_until.unwrap_or(record.created_at);
        Self {
            key_id: record.key_id.clone(),
            algorithm: record.public.alg,
            verifies_until: ends.plus(
                schedule.lingers(record.longest_lifetime.map(moneyer_identity::Lifetime::duration)),
            ),
        }
    }
}

/// An app.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AppView {
    pub(crate) name: AppName,
    pub(crate) uid: String,
    pub(crate) audiences: Vec<Audience>,
    /// Who its sandboxes are at the clouds.
    #[serde(default, skip_serializing_if = "CloudAccounts::is_empty")]
    pub(crate) accounts: CloudAccounts,
    /// How its sandboxes' SPIFFE IDs end, where that is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spiffe_ending: Option<SpiffeIdEnding>,
    pub(crate) created_at: UnixTime,
    pub(crate) sandboxes: usize,
}

impl AppView {
    pub(crate) fn of(app: &App, sandboxes: usize) -> Self {
        Self {
            name: app.name.clone(),
            uid: app.uid.as_str().to_owned(),
            audiences: app.audiences.clone(),
            accounts: app.accounts.clone(),
            spiffe_ending: app.spiffe_ending.clone(),
            created_at: app.created_at,
            sandboxes,
        }
    }
}

/// What is said of an app.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppBody {
    #[serde(default)]
    pub(crate) audiences: Vec<Audience>,
    #[serde(default, skip_serializing_if = "CloudAccounts::is_empty")]
    pub(crate) accounts: CloudAccounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spiffe_ending: Option<SpiffeIdEnding>,
}

/// A sandbox.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxBody {
    pub(crate) app: AppName,
    pub(crate) runner: RunnerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<RoleName>,
}

/// Some sandboxes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SandboxPage {
    pub(crate) sandboxes: Vec<SandboxView>,
    /// Ask for `after` this; `null` on the last page.
    pub(crate) next: Option<SandboxId>,
}

/// Which sandboxes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxQuery {
    pub(crate) app: Option<AppName>,
    pub(crate) runner: Option<RunnerId>,
    pub(crate) after: Option<SandboxId>,
    #[serde(default)]
    pub(crate) limit: usize,
}

/// What token is asked for.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MintBody {
    #[serde(default)]
    pub(crate) audiences: Vec<Audience>,
    #[serde(default)]
    pub(crate) lifetime_seconds: Option<u32>,
}

/// A minted token.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct MintView {
    pub(crate) token: String,
    pub(crate) expires_at: UnixTime,
    pub(crate) expires_in_seconds: u32,
    pub(crate) key_id: KeyId,
    pub(crate) token_id: TokenId,
}

/// A runner or controller.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationBody {
    pub(crate) name: String,
    /// Default: one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifetime_seconds: Option<u32>,
}

/// An invitation. The join token is shown this once.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct InvitationView {
    pub(crate) name: String,
    pub(crate) join_token: String,
    pub(crate) expires_at: UnixTime,
}

/// Where a copy of the store goes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupBody {
    /// A file that does not exist yet, by its whole path on the coordinator's machine.
    pub(crate) file: PathBuf,
}

/// A copy of the store.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CopiedView {
    pub(crate) file: PathBuf,
    pub(crate) generation: u64,
    pub(crate) records: u64,
}

impl CopiedView {
    pub(crate) fn of(file: &Path, copied: Copied) -> Self {
        let Copied { generation, records, .. } = copied;
        Self { file: file.to_owned(), generation: generation.0, records }
    }
}
