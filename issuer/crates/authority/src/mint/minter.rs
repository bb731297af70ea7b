//! Builds claims and has them signed.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::{
    Audience, ClaimSet, IdentityType, IssuerUrl, Lifetime, MintedToken, Subject, SubjectParts,
    TokenId, UnixTime, UnsignedToken,
};

use crate::keys::Keys;
use crate::mint::error::MintError;
use crate::mint::length;
use crate::mint::policy::{AudiencePolicy, Chosen};
use crate::registry::{Permit, SystemPermit};

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
    issuer: IssuerUrl,
    parts: Arc<SubjectParts>,
    policy: Arc<AudiencePolicy>,
    keys: Arc<Keys>,
}

impl Minter {
    /// A minter of one issuer.
    #[must_use]
    pub fn new(
        issuer: IssuerUrl,
        parts: SubjectParts,
        policy: Arc<AudiencePolicy>,
        keys: Arc<Keys>,
    ) -> Self {
        Self { issuer, parts: Arc::new(parts), policy, keys }
    }

    /// A token for a sandbox.
    pub async fn mint(
        &self,
        permit: Permit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
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
        self.sign(claims, now).await
    }

    /// A token for a system workload.
    pub async fn mint_system(
        &self,
        permit: SystemPermit,
        ask: Ask,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
        let chosen = self.policy.choose_unlimited(ask.audiences, ask.lifetime)?;
        let subject = self.parts.system(permit.workload());
        let claims = ClaimSet {
            runner_id: permit.runner().cloned(),
            system_workload: Some(permit.workload().clone()),
            ..self.claims(chosen, subject, IdentityType::System, now)?
        };
        self.sign(claims, now).await
    }

    fn claims(
        &self,
        chosen: Chosen,
        sub: Subject,
        identity_type: IdentityType,
        now: UnixTime,
    ) -> Result<ClaimSet, MintError> {
        let jti = TokenId::random().map_err(|error| MintError::Encode(error.into()))?;
        Ok(ClaimSet {
            iss: self.issuer.clone(),
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

    async fn sign(&self, claims: ClaimSet, now: UnixTime) -> Result<MintedToken, MintError> {
        let ring = self.keys.ring();
        let key = ring.signing_key(now).ok_or(MintError::NoKey)?;
        let key_id = key.verifying_key().key_id().clone();
        length::check(&claims, key.verifying_key())?;
        let unsigned = UnsignedToken::new(key_id.clone(), &claims)
            .map_err(|error| MintError::Encode(error.into()))?;
        let token = key.sign(unsigned).await.map_err(MintError::Signer)?;
        let expires_in = claims.exp.since(now).as_secs();
        Ok(MintedToken {
            token,
            expires_in: Lifetime::from_seconds(u32::try_from(expires_in).unwrap_or(u32::MAX)),
            expires_at: claims.exp,
            key_id,
            token_id: claims.jti,
        })
    }
}
