//! Builds claims and has them signed.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::{
    Audience, ClaimSet, IdentityType, Lifetime, MintedToken, Subject, SubjectParts, TokenId,
    UnixTime,
};

use crate::issuers::Issuers;
use crate::keys::Keys;
use crate::mint::draft::{Draft, Minted};
use crate::mint::error::MintError;
use crate::mint::policy::{AudiencePolicy, Chosen};
use crate::registry::{Permit, SystemPermit};
use crate::signer::SigningKey;

/// How far `nbf` lies before `iat`: verifiers with no leeway and a clock 30 s slow still take the token.
const BACKDATE: Duration = Duration::from_secs(30);

/// What a caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// None: the default audience.
    pub audiences: Vec<Audience>,
    /// `None`: the audience's default.
    pub lifetime: Option<Lifetime>,
}

/// Mints tokens.
#[derive(Debug, Clone)]
pub struct Minter {
    issuers: Arc<Issuers>,
    parts: Arc<SubjectParts>,
    policy: Arc<AudiencePolicy>,
    keys: Arc<Keys>,
}

impl Minter {
    /// A minter of one cluster.
    #[must_use]
    pub fn new(
        issuers: Arc<Issuers>,
        parts: SubjectParts,
        policy: Arc<AudiencePolicy>,
        keys: Arc<Keys>,
    ) -> Self {
        Self { issuers, parts: Arc::new(parts), policy, keys }
    }

    /// A token for a sandbox.
    pub async fn mint(
        &self,
        permit: &Permit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
        let key = self.signing_key(now)?;
        let draft = self.draft(&*key, permit, ask, now)?;
        let token = key.sign(draft.unsigned).await.map_err(MintError::Signer)?;
        Ok(draft.minted.with(token))
    }

    /// Tokens for several sandboxes, in the order of their permits. One refusal does not touch the
    /// others.
    pub async fn mint_all(
        &self,
        asked: Vec<(Permit, Ask)>,
        now: UnixTime,
    ) -> Vec<Result<MintedToken, MintError>> {
        let mut unsigned = Vec::with_capacity(asked.len());
        let mut minted = Vec::with_capacity(asked.len());
        let Ok(key) = self.signing_key(now) else {
            return asked.iter().map(|_| Err(MintError::NoKey)).collect();
        };
        for (permit, ask) in asked {
            let draft = self.draft(&*key, &permit, ask, now);
            minted.push(draft.map(|draft| {
                unsigned.push(draft.unsigned);
                draft.minted
            }));
        }
        let mut signed = key.sign_all(unsigned).await.into_iter();
        let mut sign = |minted: Minted| match signed.next() {
            Some(Ok(token)) => Ok(minted.with(token)),
            Some(Err(error)) => Err(MintError::Signer(error)),
            None => Err(MintError::NoKey),
        };
        minted.into_iter().map(|minted| minted.and_then(&mut sign)).collect()
    }

    /// A token for a system workload.
    pub async fn mint_system(
        &self,
        permit: SystemPermit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
        let key = self.signing_key(now)?;
        let chosen = self.policy.choose_unlimited(ask.audiences, ask.lifetime)?;
        let subject = self.parts.system(permit.workload());
        let claims = ClaimSet {
            runner_id: permit.runner().cloned(),
            system_workload: Some(permit.workload().clone()),
            ..self.claims(chosen, subject, IdentityType::System, now)?
        };
        let draft = Draft::new(&*key, claims)?;
        let token = key.sign(draft.unsigned).await.map_err(MintError::Signer)?;
        Ok(draft.minted.with(token))
    }

    fn signing_key(&self, now: UnixTime) -> Result<Arc<dyn SigningKey>, MintError> {
        self.keys.ring().signing_key(now).cloned().ok_or(MintError::NoKey)
    }

    fn draft(
        &self,
        key: &dyn SigningKey,
        permit: &Permit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<Draft, MintError> {
        let (sandbox, app) = (&permit.placed().sandbox, permit.app());
        let chosen = self.policy.choose(app, ask.audiences, ask.lifetime)?;
        let subject = self.parts.sandbox(chosen.subject, &app.name, &sandbox.id);
        let claims = ClaimSet {
            app: Some(app.name.clone()),
            app_uid: Some(app.uid.clone()),
            sandbox_id: Some(sandbox.id.clone()),
            runner_id: Some(sandbox.runner.clone()),
            role: sandbox.role.clone(),
            ..self.claims(chosen, subject, IdentityType::Sandbox, now)?
        };
        Draft::new(key, claims)
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
        let jti = TokenId::random().map_err(|error| MintError::Encode(error.into()))?;
        Ok(ClaimSet {
            iss: issuers.current().clone(),
            sub,
            aud: chosen.audiences,
            iat: now,
            nbf: now.minus(BACKDATE),
            exp: now.plus(chosen.lifetime.duration()),
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
        })
    }
}
