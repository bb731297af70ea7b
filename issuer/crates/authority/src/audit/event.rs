//! What is recorded: a closed list of events.
//!
//! Every field is a name, an identifier, a time or a number, or the text of an error of ours. A token, a
//! join token, a secret and a private key have no field here. Names and fields are a contract with
//! whoever reads the log: `docs/audit.md` lists them and a test compares.

use moneyer_identity::spiffe::{SpiffeId, SpiffeIdEnding, TrustDomain};
use moneyer_identity::{
    Algorithm, AppName, AppUid, Audience, Audiences, CloudAccounts, IssuerUrl, KeyId, PolicyName,
    ProfileName, ProviderName, RoleArn, RoleName, RunnerId, SandboxId, Subject, SubjectForm,
    SystemWorkloadName, TokenId, UnixTime,
};
use serde::Serialize;

use crate::audit::actor::Actor;
use crate::audit::delegation_event::{
    SubjectTokenExchanged, SubjectTokenRefused, SubjectTokenRenewed,
};
use crate::audit::exchange_event::{
    ExchangeRefused, MappingPut, MappingRemoved, ScopePut, ScopeRemoved,
};
use crate::audit::login_event::{LoginRefused, PolicyPut, RequestRefused};
use crate::audit::port::Sequence;
use crate::audit::provider_event::{ProviderPlace, ProviderPut};
use crate::audit::svid_event::{X509SvidRefused, X509SvidSigned, X509SvidWithheld};
use crate::profiles::ProfileId;
use crate::store::Generation;

/// One record, before it has a place in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEvent {
    /// When, by the coordinator's clock.
    time: UnixTime,
    /// Who did it or asked for it.
    who: Actor,
    /// How it was decided.
    decision: Decision,
    /// What it was.
    #[serde(flatten)]
    what: Event,
}

impl AuditEvent {
    /// Something that is about to happen, or was refused.
    #[must_use]
    pub fn new(time: UnixTime, who: Actor, what: Event) -> Self {
        Self { time, who, decision: what.decision(), what }
    }

    /// What it was.
    #[must_use]
    pub fn what(&self) -> &Event {
        &self.what
    }
}

/// How something was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may happen, and happens unless a later record says otherwise.
    Allowed,
    /// It did not happen: the rules forbid it, or something that is needed is away.
    Refused,
    /// It was allowed and recorded, and then did not happen.
    Withheld,
}

/// Everything that is recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A token is signed and handed to who asked for it.
    TokenMinted(TokenMinted),
    /// A token was asked for by somebody known, who does not get it.
    TokenRefused(TokenRefused),
    /// A token that was recorded as minted did not leave the process.
    TokenWithheld(TokenWithheld),
    /// An app is made, or what it may do is changed.
    AppPut {
        /// Its name.
        app: AppName,
        /// Its id, given once.
        app_uid: AppUid,
        /// The audiences its sandboxes may ask for; empty for any.
        audiences: Vec<Audience>,
        /// Who its sandboxes are at the clouds.
        #[serde(skip_serializing_if = "CloudAccounts::is_empty")]
        accounts: CloudAccounts,
        /// How its sandboxes' SPIFFE IDs end, where that is its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        spiffe_ending: Option<SpiffeIdEnding>,
    },
    /// An app is removed.
    AppRemoved {
        /// Its name.
        app: AppName,
    },
    /// An audience profile is made, or changed.
    AudiencePut {
        /// Its name.
        audience_profile: ProfileName,
        /// The audience it is for.
        audience: Audience,
        /// How subjects are written.
        subject_form: SubjectForm,
        /// What tokens are signed with.
        alg: Algorithm,
        /// The AWS roles that tokens may be used for; empty for any.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        roles: Vec<RoleArn>,
    },
    /// An audience profile is removed: its audience is one like any other.
    AudienceRemoved {
        /// Its name.
        audience_profile: ProfileName,
    },
    /// A federation with another trust domain is made, or changed.
    FederationPut {
        /// The trust domain.
        trust_domain: TrustDomain,
        /// Where its bundle is fetched.
        url: String,
        /// How the server there is known: `https_web` or `https_spiffe`.
        profile: &'static str,
        /// The server's SPIFFE ID, where that is how it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        endpoint_id: Option<SpiffeId>,
    },
    /// A federation is removed: nothing of its trust domain is trusted from then on.
    FederationRemoved {
        /// The trust domain.
        trust_domain: TrustDomain,
    },
    /// Another bundle of a federated trust domain is in force from then on.
    FederationBundleChanged {
        /// The trust domain.
        trust_domain: TrustDomain,
        /// The number of the bundle.
        #[serde(skip_serializing_if = "Option::is_none")]
        sequence: Option<u64>,
        /// How many CA certificates are in it.
        x509_authorities: usize,
        /// How many keys of JWT-SVIDs are in it.
        jwt_authorities: usize,
    },
    /// A bundle came from the server that is known, and is not taken.
    FederationBundleRefused {
        /// The trust domain.
        trust_domain: TrustDomain,
        /// The kind of refusal.
        class: &'static str,
        /// Why.
        reason: String,
    },
    /// A policy is made, or changed.
    PolicyPut(PolicyPut),
    /// A policy is removed: whom it let in is let in no more.
    PolicyRemoved {
        /// Its name.
        policy: PolicyName,
    },
    /// A provider profile is made, or changed.
    ProviderProfilePut {
        /// Its id.
        provider_profile: ProfileId,
    },
    /// A provider profile is removed.
    ProviderProfileRemoved {
        /// Its id.
        provider_profile: ProfileId,
    },
    /// A provider is made, or holds other credentials from then on.
    ProviderPut(ProviderPut),
    /// A provider is removed: its sandboxes reach its endpoints no more.
    ProviderRemoved {
        /// Its name.
        provider: ProviderName,
    },
    /// A provider is attached to an app or a sandbox.
    ProviderAttached(ProviderPlace),
    /// A provider is detached from an app or a sandbox.
    ProviderDetached(ProviderPlace),
    /// A user's token was readdressed to a sandbox, and is handed to its runner.
    SubjectTokenExchanged(SubjectTokenExchanged),
    /// A user's token was asked for by a known runner, and is not readdressed.
    SubjectTokenRefused(SubjectTokenRefused),
    /// A user's token was renewed by its refresh token.
    SubjectTokenRenewed(SubjectTokenRenewed),
    /// A mapping of token exchange is made, or changed.
    MappingPut(MappingPut),
    /// A mapping is removed: its client is given nothing more in that context.
    MappingRemoved(MappingRemoved),
    /// The claims of a scope are said, or said anew.
    ScopePut(ScopePut),
    /// A scope stands for nothing from then on.
    ScopeRemoved(ScopeRemoved),
    /// Somebody is not let in, whether it could be told who it is or not.
    LoginRefused(LoginRefused),
    /// A proof is not exchanged for a token.
    ExchangeRefused(ExchangeRefused),
    /// Who shows a token is not let do what it asks for.
    RequestRefused(RequestRefused),
    /// A sandbox is placed on a runner, or moved there.
    SandboxPut {
        /// Its id.
        sandbox: SandboxId,
        /// Its app.
        app: AppName,
        /// Where it is placed.
        runner: RunnerId,
        /// The role its tokens name.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<RoleName>,
    },
    /// A sandbox is removed: from then on nobody gets a token for it.
    SandboxRemoved {
        /// Its id.
        sandbox: SandboxId,
    },
    /// A join token is made for a runner or controller.
    MemberInvited {
        /// Who is invited, as `runner:<id>` or `controller:<name>`.
        member: String,
        /// When the join token ends.
        expires_at: UnixTime,
    },
    /// The unspent join tokens of a member are withdrawn.
    InvitationsWithdrawn {
        /// Whose.
        member: String,
        /// How many.
        count: usize,
    },
    /// A runner or controller joins with a join token.
    MemberJoined {
        /// Who.
        member: String,
        /// Serial number of its certificate, hexadecimal.
        serial: String,
        /// When its certificate ends.
        certificate_ends_at: UnixTime,
    },
    /// A member gets another certificate.
    MemberRenewed {
        /// Who.
        member: String,
        /// Serial number of the new certificate, hexadecimal.
        serial: String,
        /// When it ends.
        certificate_ends_at: UnixTime,
    },
    /// A member is removed: its certificates are refused from then on.
    MemberRemoved {
        /// Who.
        member: String,
    },
    /// The next round of keys is asked for before its time.
    RotationRequested {},
    /// A key is made and published, and does not sign yet.
    KeyPrepared {
        /// Its id.
        kid: KeyId,
        /// Its algorithm.
        alg: Algorithm,
    },
    /// A key signs from then on.
    KeyActivated {
        /// Its id.
        kid: KeyId,
        /// Its algorithm.
        alg: Algorithm,
        /// Why it may sign before it was published long enough, where it may: `first key`, `emergency`.
        #[serde(skip_serializing_if = "Option::is_none")]
        exception: Option<String>,
    },
    /// A key no longer signs, and stays published until its last token is dead.
    KeyRetired {
        /// Its id.
        kid: KeyId,
        /// From when on it signs nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        sign_until: Option<UnixTime>,
    },
    /// A key is taken out of the key set: its last token is dead.
    KeyPruned {
        /// Its id.
        kid: KeyId,
    },
    /// A key is taken out of the key set though its tokens live.
    KeyWithdrawn {
        /// Its id.
        kid: KeyId,
        /// Why.
        reason: String,
    },
    /// A key that was made elsewhere is taken over.
    KeyImported {
        /// Its id.
        kid: KeyId,
        /// Its algorithm.
        alg: Algorithm,
        /// Whether it may sign, or is there to verify alone.
        signs: bool,
    },
    /// An X.509-SVID is signed and handed to who asked for it.
    X509SvidSigned(X509SvidSigned),
    /// An X.509-SVID was asked for by somebody known, who does not get it.
    X509SvidRefused(X509SvidRefused),
    /// An X.509-SVID that was recorded as signed did not leave the process.
    X509SvidWithheld(X509SvidWithheld),
    /// An X.509-SVID is made for the cluster's own bundle endpoint.
    BundleEndpointCertified {
        /// Whom it names.
        spiffe_id: SpiffeId,
        /// Its serial number, hexadecimal.
        serial: String,
        /// The key of the authority that signs.
        kid: KeyId,
        /// When it ends.
        not_after: UnixTime,
    },
    /// The next round of authorities of SVIDs is asked for before its time.
    X509RotationRequested {},
    /// An authority of SVIDs is made and in the trust bundle, and does not sign yet.
    X509AuthorityPrepared {
        /// The id of its key.
        kid: KeyId,
        /// When its certificate ends.
        not_after: UnixTime,
    },
    /// An authority signs SVIDs from then on.
    X509AuthorityActivated {
        /// The id of its key.
        kid: KeyId,
        /// Why it may sign before it was in the bundle long enough, where it may.
        #[serde(skip_serializing_if = "Option::is_none")]
        exception: Option<String>,
    },
    /// An authority no longer signs, and stays in the bundle until its last SVID is dead.
    X509AuthorityRetired {
        /// The id of its key.
        kid: KeyId,
        /// From when on it signs nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        sign_until: Option<UnixTime>,
    },
    /// An authority is taken out of the bundle: its last SVID is dead.
    X509AuthorityPruned {
        /// The id of its key.
        kid: KeyId,
    },
    /// An authority is taken out of the bundle though its SVIDs live.
    X509AuthorityWithdrawn {
        /// The id of its key.
        kid: KeyId,
        /// Why.
        reason: String,
    },
    /// The issuer has another URL from then on.
    IssuerMoved {
        /// The URL until then.
        from: IssuerUrl,
        /// The URL from then on.
        to: IssuerUrl,
    },
    /// An issuer of another system is taken over: tokens that name it stay verifiable.
    IssuerAdopted {
        /// Its URL.
        issuer: IssuerUrl,
        /// From when no token names it.
        left_at: UnixTime,
    },
    /// A previous issuer is no longer served: the last token that names it is dead.
    IssuerEnded {
        /// Its URL.
        issuer: IssuerUrl,
    },
    /// The store's secret records are sealed under another key.
    StoreRekeyed {
        /// The id of the key they are sealed under from then on.
        kek: String,
    },
    /// A copy of everything is written.
    StoreBackedUp {
        /// Where, on the coordinator's machine.
        file: String,
    },
    /// An operator accepts that records are missing from the store.
    LossAccepted {
        /// The generation that was found.
        generation: Generation,
    },
    /// The latest time seen was not where it is kept, and was made again from other records.
    ClockMarkMissing {
        /// The one that took its place.
        mark: UnixTime,
    },
    /// An operator says that the wall clock is right as it is.
    ClockConfirmed {
        /// What the operator says it says.
        stated: UnixTime,
        /// The latest time seen until then.
        #[serde(skip_serializing_if = "Option::is_none")]
        mark: Option<UnixTime>,
    },
    /// A change that was recorded did not happen.
    ChangeFailed {
        /// The first record of the change.
        of: Sequence,
        /// The kind of failure.
        class: &'static str,
        /// Why.
        reason: String,
    },
}

/// A token that is signed and handed over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenMinted {
    /// The sandbox it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// The sandbox's app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The runner the holder is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
    /// The system workload it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_workload: Option<SystemWorkloadName>,
    /// The policies by which its holder was let in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyName>,
    /// The claim `sub`.
    pub sub: Subject,
    /// The claim `aud`: a text, or several.
    pub aud: Audiences,
    /// The claim `jti`.
    pub jti: TokenId,
    /// The key that signs.
    pub kid: KeyId,
    /// The claim `exp`.
    pub exp: UnixTime,
}

/// A token that somebody does not get.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenRefused {
    /// The sandbox that was named. Where several refusals are counted in one record, none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// The system workload that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_workload: Option<SystemWorkloadName>,
    /// The kind of refusal.
    pub class: &'static str,
    /// Why: more than the caller was told.
    pub reason: String,
    /// How many refusals this record stands for.
    pub count: u64,
}

/// A token that did not leave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenWithheld {
    /// The sandbox it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// The system workload it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_workload: Option<SystemWorkloadName>,
    /// The `jti` that was recorded as minted.
    pub jti: TokenId,
    /// The kind of failure.
    pub class: &'static str,
    /// Why.
    pub reason: String,
}

impl Event {
    /// The name of every event, in the order they stand here.
    pub const NAMES: [&str; 62] = [
        "token_minted",
        "token_refused",
        "token_withheld",
        "app_put",
        "app_removed",
        "audience_put",
        "audience_removed",
        "federation_put",
        "federation_removed",
        "federation_bundle_changed",
        "federation_bundle_refused",
        "policy_put",
        "policy_removed",
        "provider_profile_put",
        "provider_profile_removed",
        "provider_put",
        "provider_removed",
        "provider_attached",
        "provider_detached",
        "subject_token_exchanged",
        "subject_token_refused",
        "subject_token_renewed",
        "mapping_put",
        "mapping_removed",
        "scope_put",
        "scope_removed",
        "login_refused",
        "exchange_refused",
        "request_refused",
        "sandbox_put",
        "sandbox_removed",
        "member_invited",
        "invitations_withdrawn",
        "member_joined",
        "member_renewed",
        "member_removed",
        "rotation_requested",
        "key_prepared",
        "key_activated",
        "key_retired",
        "key_pruned",
        "key_withdrawn",
        "key_imported",
        "x509_svid_signed",
        "x509_svid_refused",
        "x509_svid_withheld",
        "bundle_endpoint_certified",
        "x509_rotation_requested",
        "x509_authority_prepared",
        "x509_authority_activated",
        "x509_authority_retired",
        "x509_authority_pruned",
        "x509_authority_withdrawn",
        "issuer_moved",
        "issuer_adopted",
        "issuer_ended",
        "store_rekeyed",
        "store_backed_up",
        "loss_accepted",
        "clock_mark_missing",
        "clock_confirmed",
        "change_failed",
    ];

    /// How it was decided.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match self {
            Self::TokenRefused(_)
            | Self::X509SvidRefused(_)
            | Self::LoginRefused(_)
            | Self::ExchangeRefused(_)
            | Self::RequestRefused(_)
            | Self::SubjectTokenRefused(_)
            | Self::FederationBundleRefused { .. } => Decision::Refused,
            Self::TokenWithheld(_) | Self::X509SvidWithheld(_) | Self::ChangeFailed { .. } => {
                Decision::Withheld
            }
            _ => Decision::Allowed,
        }
    }
}
