//! Whether signing works: a token is signed by each key that signs now, and verified by the published key set.
//!
//! The token is good for nothing from its first byte: it expired an hour before it was made, and its audience is
//! nobody's. It leaves this function in no way, so nothing is recorded of it. Neither the audit log, the store
//! nor the clock is asked: `/readyz` tells of those, and a restart mends none of them. For the same reason a key
//! that has reached the end of its signing time is no failure here, nor is a signer elsewhere that is away.

use std::time::Duration;

use moneyer_identity::{
    Audience, Audiences, AwsClaims, ClaimSet, Expectations, IdentityType, SystemWorkloadName,
    TokenId, UnixTime, UnsignedToken, Verifier, VerifyError,
};

use super::open::Authority;
use crate::keys::Line;
use crate::signer::{SignerError, SigningKey};
use crate::store::Cause;

/// For whom the token would be.
const AUDIENCE: &str = "moneyer-self-check";
/// Whose it would be: no configuration names a system workload so and means one, for the token is never given out.
const WORKLOAD: &str = "self-check";
/// How long before its making it began.
const BEGAN_BEFORE: Duration = Duration::from_secs(2 * 3600);
/// How long it was good for, long ago.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// Why signing does not work.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// The token was not written.
    #[error("the token of the self-check could not be written")]
    Write(#[source] Cause),
    /// A key that should sign did not.
    #[error("a key that signs now did not sign")]
    Sign(#[source] SignerError),
    /// What it signed is not good by the published key set.
    #[error("a token that was just signed is refused by the published key set")]
    Verify(#[source] VerifyError),
}

impl SelfCheckError {
    /// Whether the signer had too much to do: it works, and may be asked again.
    #[must_use]
    pub fn is_overload(&self) -> bool {
        matches!(self, Self::Sign(SignerError::Overloaded))
    }
}

impl Authority {
    /// Signs a token that is good for nothing with each key that signs now, and verifies it.
    pub async fn check_signing(&self) -> Result<(), SelfCheckError> {
        let (now, ring) = (self.now(), self.keys.ring());
        let verifier = Verifier::new(self.issuer(), ring.key_set().clone());
        for key in Line::ALL.into_iter().filter_map(|line| ring.signing_key_of(line, now)) {
            self.check_key(&**key, &verifier, now).await?;
        }
        Ok(())
    }

    async fn check_key(
        &self,
        key: &dyn SigningKey,
        verifier: &Verifier,
        now: UnixTime,
    ) -> Result<(), SelfCheckError> {
        let (audience, claims) = self.spent_claims(now)?;
        let began = claims.iat;
        let unsigned = UnsignedToken::new(key.verifying_key().key_id().clone(), &claims)
            .map_err(|error| SelfCheckError::Write(error.into()))?;
        let token = match key.sign(unsigned).await {
            Err(SignerError::Unavailable(_) | SignerError::Overloaded | SignerError::Sign(_))
                if key.dependency().is_some() =>
            {
                return Ok(());
            }
            signed => signed.map_err(SelfCheckError::Sign)?,
        };
        let expected = Expectations::exactly(audience);
        let answer = verifier.verify(token.expose(), &expected, began);
        answer.map(drop).map_err(SelfCheckError::Verify)
    }

    /// Claims whose time is over.
    fn spent_claims(&self, now: UnixTime) -> Result<(Audience, ClaimSet), SelfCheckError> {
        let written = |error: Cause| SelfCheckError::Write(error);
        let audience = Audience::parse(AUDIENCE).map_err(|error| written(error.into()))?;
        let workload = SystemWorkloadName::parse(WORKLOAD);
        let workload = workload.map_err(|error| written(error.into()))?;
        let jti = TokenId::random().map_err(|error| written(error.into()))?;
        let (began, parts) = (now.minus(BEGAN_BEFORE), &self.charter.parts);
        let claims = ClaimSet {
            iss: self.issuer(),
            sub: parts.system(&workload),
            aud: Audiences::one(audience.clone()),
            iat: began,
            nbf: began,
            exp: began.plus(GOOD_FOR),
            jti,
            organization_id: parts.organization.clone(),
            cluster_id: parts.cluster.clone(),
            app: None,
            app_uid: None,
            sandbox_id: None,
            runner_id: None,
            identity_type: IdentityType::System,
            system_workload: Some(workload),
            role: None,
            spiffe_id: None,
            policies: Vec::new(),
            exchanged: None,
            aws: AwsClaims::default(),
        };
        Ok((audience, claims))
    }
}
