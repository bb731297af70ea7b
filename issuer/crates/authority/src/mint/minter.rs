//! Builds claims and writes them for the key that is to sign.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{
    Algorithm, Audience, Audiences, AwsClaims, ClaimSet, ExchangedClaims, IdentityType, IssuerUrl,
    Lifetime, Subject, SubjectParts, TokenId, UnixTime,
};

use crate::audiences::{AudiencePolicy, Chosen, Profiles};
use crate::issuers::Issuers;
use crate::keys::{KeyRing, Keys, Line};
use crate::login::Admission;
use crate::mint::choice;
use crate::mint::draft::Draft;
use crate::mint::error::MintError;
use crate::mint::extras;
use crate::registry::{Permit, RegistryError, SpiffeIds, SystemPermit};

/// How far `nbf` lies before `iat`: verifiers with no leeway and a clock 30 s slow still take the token.
const BACKDATE: Duration = Duration::from_secs(30);

/// Longest SPIFFE ID in bytes that becomes the subject of a token: OpenID Connect Core section 2 gives `sub`
/// 255, and relying parties that read our discovery document take JWT-SVIDs as any other token of ours.
const MAXIMUM_SVID_SUBJECT_BYTES: usize = 255;

/// What a token is to be read as: by its subject, for header and signature are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TokenForm {
    /// An OIDC token: the subject has the form of its audience's profile.
    #[default]
    Oidc,
    /// A JWT-SVID: the subject is the sandbox's SPIFFE ID, which must still be this one.
    JwtSvid(SpiffeId),
}

/// What a caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// None: the default audience.
    pub audiences: Vec<Audience>,
    /// `None`: the audience's default.
    pub lifetime: Option<Lifetime>,
    /// What the token is to be read as.
    pub form: TokenForm,
}

/// Drafts tokens.
#[derive(Debug, Clone)]
pub struct Minter {
    issuers: Arc<Issuers>,
    parts: Arc<SubjectParts>,
    spiffe_ids: SpiffeIds,
    profiles: Arc<Profiles>,
    keys: Arc<Keys>,
}

impl Minter {
    /// A minter of one cluster.
    #[must_use]
    pub fn new(
        issuers: Arc<Issuers>,
        (parts, spiffe_ids): (SubjectParts, SpiffeIds),
        profiles: Arc<Profiles>,
        keys: Arc<Keys>,
    ) -> Self {
        Self { issuers, parts: Arc::new(parts), spiffe_ids, profiles, keys }
    }

    /// The keys of this moment, if they may sign. A batch asks once, so that all of it goes by the same.
    pub(crate) fn ring(&self, now: UnixTime) -> Result<Arc<KeyRing>, MintError> {
        let ring = self.keys.ring();
        let signs = |line: Line| ring.signing_key_of(line, now).is_some();
        if Line::ALL.into_iter().any(signs) { Ok(ring) } else { Err(MintError::NoKey) }
    }

    /// The audience policy of this moment. A token goes by one from its draft to its signature.
    pub(crate) fn policy(&self) -> Arc<AudiencePolicy> {
        self.profiles.policy()
    }

    /// A token for a sandbox, up to its signature by one of these keys.
    pub(crate) fn draft(
        &self,
        ring: &KeyRing,
        policy: &AudiencePolicy,
        permit: &Permit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<Draft, MintError> {
        let (sandbox, app) = (&permit.placed().sandbox, permit.app());
        let mut chosen = policy.choose(app, ask.audiences, ask.lifetime)?;
        let key = choice::key(ring, &chosen, now)?;
        let profiles = std::mem::take(&mut chosen.profiles);
        let subject = match &ask.form {
            TokenForm::Oidc => self.parts.sandbox(chosen.subject, &app.name, &sandbox.id),
            // EdDSA does not sign them (JWT-SVID section 2.1).
            TokenForm::JwtSvid(_) if key.verifying_key().algorithm() == Algorithm::EdDsa => {
                return Err(MintError::NoSvidKey);
            }
            TokenForm::JwtSvid(id) => {
                self.check_id(permit, id)?;
                Subject::from(id)
            }
        };
        let claims = ClaimSet {
            app: Some(app.name.clone()),
            app_uid: Some(app.uid.clone()),
            sandbox_id: Some(sandbox.id.clone()),
            runner_id: Some(sandbox.runner.clone()),
            role: sandbox.role.clone(),
            ..self.claims(chosen, subject, IdentityType::Sandbox, now)?
        };
        Draft::new(key, extras::meet(&profiles, claims)?)
    }

    /// Whether a token that was drafted by what was permitted then is permitted by what is now: its app may
    /// have lost an audience, or be another of the same name, and an audience's profile may have changed.
    pub(crate) fn check_again(
        &self,
        then: (&Permit, &Arc<AudiencePolicy>),
        now: &Permit,
        ask: &Ask,
    ) -> Result<(), MintError> {
        let ((permit, policy), present) = (then, self.policy());
        if now.app().uid != permit.app().uid {
            return Err(MintError::Registry(RegistryError::NoSuchSandbox));
        }
        if let TokenForm::JwtSvid(id) = &ask.form {
            self.check_id(now, id)?;
        }
        if Arc::ptr_eq(policy, &present) && now.app().audiences == permit.app().audiences {
            return Ok(());
        }
        let choose =
            |policy: &AudiencePolicy, app| policy.choose(app, ask.audiences.clone(), ask.lifetime);
        unchanged(&choose(policy, permit.app())?, &choose(&present, now.app())?)
    }

    /// The same for a system workload, which no app limits.
    pub(crate) fn check_system_again(
        &self,
        policy: &Arc<AudiencePolicy>,
        ask: &Ask,
    ) -> Result<(), MintError> {
        let present = self.policy();
        if Arc::ptr_eq(policy, &present) {
            return Ok(());
        }
        let choose =
            |policy: &AudiencePolicy| policy.choose_unlimited(ask.audiences.clone(), ask.lifetime);
        unchanged(&choose(policy)?, &choose(&present)?)
    }

    /// A token for a system workload, up to its signature by one of these keys.
    pub(crate) fn draft_system(
        &self,
        ring: &KeyRing,
        policy: &AudiencePolicy,
        permit: &SystemPermit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<Draft, MintError> {
        let mut chosen = policy.choose_unlimited(ask.audiences, ask.lifetime)?;
        let key = choice::key(ring, &chosen, now)?;
        let profiles = std::mem::take(&mut chosen.profiles);
        let subject = self.parts.system(permit.workload());
        let claims = ClaimSet {
            runner_id: permit.runner().cloned(),
            system_workload: Some(permit.workload().clone()),
            ..self.claims(chosen, subject, IdentityType::System, now)?
        };
        Draft::new(key, extras::meet(&profiles, claims)?)
    }

    /// A token for whoever logged in, up to its signature by one of these keys. Its audience is the issuer, which
    /// nobody can ask for: so no other token is ever taken for one, and it is good for this cluster alone.
    pub(crate) fn draft_login(
        &self,
        ring: &KeyRing,
        (id, admission): (&SpiffeId, &Admission),
        lifetime: Lifetime,
        now: UnixTime,
    ) -> Result<Draft, MintError> {
        let subject = self.parts.workload(id);
        if subject.as_str().len() > MAXIMUM_SVID_SUBJECT_BYTES {
            return Err(MintError::LongId(MAXIMUM_SVID_SUBJECT_BYTES));
        }
        let key = ring.signing_key(now).ok_or(MintError::NoKey)?;
        let issuers = self.issuers.list();
        let audience = Audience::parse(issuers.current().as_str());
        let audience = audience.map_err(|error| MintError::Encode(error.into()))?;
        let claims = ClaimSet {
            spiffe_id: Some(id.clone()),
            policies: admission.policies().to_vec(),
            ..self.named(
                (issuers.current().clone(), subject, IdentityType::Workload),
                (Audiences::one(audience), lifetime),
                now,
            )?
        };
        Draft::new(Arc::clone(key), claims)
    }

    /// A token in exchange for a proof, up to its signature by one of these keys.
    pub(crate) fn draft_exchange(
        &self,
        ring: &KeyRing,
        (subject, exchanged): (Subject, ExchangedClaims),
        (audiences, lifetime): (Audiences, Lifetime),
        now: UnixTime,
    ) -> Result<Draft, MintError> {
        let issuers = self.issuers.list();
        if let Some(own) = audiences.as_slice().iter().find(|aud| issuers.names(aud)) {
            return Err(MintError::AudienceDenied(own.clone()));
        }
        let key = ring.signing_key(now).ok_or(MintError::NoKey)?;
        let named = (issuers.current().clone(), subject, IdentityType::Exchange);
        let claims = ClaimSet {
            exchanged: Some(Box::new(exchanged)),
            ..self.named(named, (audiences, lifetime), now)?
        };
        Draft::new(Arc::clone(key), claims)
    }

    /// The coordinator's own assertion for a token service, up to its signature by one of these keys.
    pub(crate) fn draft_assertion(
        &self,
        ring: &KeyRing,
        (id, audience): (&SpiffeId, &Audience),
        now: UnixTime,
    ) -> Result<Draft, MintError> {
        let mut chosen = self.policy().choose_unlimited(vec![audience.clone()], None)?;
        let key = choice::key(ring, &chosen, now)?;
        if key.verifying_key().algorithm() == Algorithm::EdDsa {
            return Err(MintError::NoSvidKey);
        }
        let profiles = std::mem::take(&mut chosen.profiles);
        let claims = self.claims(chosen, Subject::from(id), IdentityType::System, now)?;
        Draft::new(key, extras::meet(&profiles, claims)?)
    }

    /// The SPIFFE ID of what is permitted, if it can be a subject.
    pub(crate) fn svid_id(&self, permit: &Permit) -> Result<SpiffeId, MintError> {
        let id = self.spiffe_ids.of(permit.app(), &permit.placed().sandbox.id);
        let id = id.map_err(MintError::SpiffeId)?;
        if id.as_str().len() > MAXIMUM_SVID_SUBJECT_BYTES {
            return Err(MintError::LongId(MAXIMUM_SVID_SUBJECT_BYTES));
        }
        Ok(id)
    }

    fn check_id(&self, permit: &Permit, id: &SpiffeId) -> Result<(), MintError> {
        if self.svid_id(permit)? == *id { Ok(()) } else { Err(MintError::Changed) }
    }

    fn claims(
        &self,
        chosen: Chosen,
        sub: Subject,
        identity_type: IdentityType,
        now: UnixTime,
    ) -> Result<ClaimSet, MintError> {
        let issuers = self.issuers.list();
        if let Some(own) = chosen.audiences.as_slice().iter().find(|aud| issuers.names(aud)) {
            return Err(MintError::AudienceDenied(own.clone()));
        }
        let named = (issuers.current().clone(), sub, identity_type);
        self.named(named, (chosen.audiences, chosen.lifetime), now)
    }

    /// What every token says, whoever holds it.
    fn named(
        &self,
        (iss, sub, identity_type): (IssuerUrl, Subject, IdentityType),
        (aud, lifetime): (Audiences, Lifetime),
        now: UnixTime,
    ) -> Result<ClaimSet, MintError> {
        let jti = TokenId::random().map_err(|error| MintError::Encode(error.into()))?;
        Ok(ClaimSet {
            iss,
            sub,
            aud,
            iat: now,
            nbf: now.minus(BACKDATE),
            exp: now.plus(lifetime.duration()),
            jti,
            organization_id: self.parts.organization.clone(),
            cluster_id: self.parts.cluster.clone(),
            app: None,
            app_uid: None,
            sandbox_id: None,
            runner_id: None,
            identity_type,
            system_workload: None,
            role: None,
            spiffe_id: None,
            policies: Vec::new(),
            exchanged: None,
            aws: AwsClaims::default(),
        })
    }
}

/// That what was chosen when a token was drafted is what is chosen now.
fn unchanged(then: &Chosen, now: &Chosen) -> Result<(), MintError> {
    if then == now { Ok(()) } else { Err(MintError::Changed) }
}
