//! Who somebody is, by its SVID.

use std::sync::Arc;

use moneyer_identity::spiffe::{
    SpiffeId, TrustBundle, TrustBundles, TrustDomain, VerifiedJwtSvid, VerifiedX509Svid, X509Leaf,
    claimed_trust_domain,
};
use moneyer_identity::{MintedToken, PolicyName, UnixTime};
use serde_json::Value;

use super::domain::{LoginDomain, LoginPlan};
use super::error::LoginError;

/// What is shown.
#[derive(Clone, Copy)]
pub enum Svid<'a> {
    /// A JWT-SVID.
    Jwt(&'a str),
    /// The chain of an X.509-SVID, DER, the leaf first. That its key is held was proved by a handshake.
    X509(&'a [&'a [u8]]),
}

impl std::fmt::Debug for Svid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Jwt(_) => f.write_str("Jwt(..)"),
            Self::X509(chain) => write!(f, "X509({} certificates)", chain.len()),
        }
    }
}

/// Whose SVID was shown, proved by an authority of that id's own trust domain, which may log in here.
///
/// Only the check of an [`Svid`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedLogin {
    id: SpiffeId,
}

impl VerifiedLogin {
    /// The SPIFFE ID.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }
}

/// A token of this cluster for somebody who logged in.
#[derive(Debug)]
pub struct LocalToken {
    /// The token, which is a secret.
    pub minted: MintedToken,
    /// Who logged in.
    pub id: SpiffeId,
    /// The policies by which it was let in.
    pub policies: Vec<PolicyName>,
}

impl Svid<'_> {
    /// Verifies it by the rules of its own trust domain. `bundle` is asked for the authorities of that one, and
    /// `usual` are the audiences of the log-in.
    pub(crate) fn verify(
        self,
        plan: &LoginPlan,
        bundle: impl FnOnce(&LoginDomain) -> Option<Arc<TrustBundle>>,
        usual: Vec<String>,
        now: UnixTime,
    ) -> Result<VerifiedLogin, LoginError> {
        let (domain, bundles) = authorities(self.claimed()?, plan, bundle)?;
        let id = match self {
            Self::Jwt(text) => jwt_svid(text, domain, &bundles, usual, now)?.id().clone(),
            Self::X509(chain) => {
                let svid = VerifiedX509Svid::verify(chain, &bundles, now);
                svid.map_err(LoginError::X509)?.id().clone()
            }
        };
        Ok(VerifiedLogin { id })
    }

    /// Whose it claims to be.
    fn claimed(self) -> Result<TrustDomain, LoginError> {
        match self {
            Self::Jwt(text) => claimed_trust_domain(text).map_err(LoginError::Jwt),
            Self::X509(chain) => {
                let leaf = chain.first().ok_or(LoginError::Nothing)?;
                let leaf = X509Leaf::of_svid(leaf).map_err(LoginError::Leaf)?;
                Ok(leaf.id().trust_domain().clone())
            }
        }
    }
}

/// Verifies a JWT-SVID as a log-in does, for whoever gives something else for it.
pub(crate) fn verify_jwt_svid(
    text: &str,
    plan: &LoginPlan,
    bundle: impl FnOnce(&LoginDomain) -> Option<Arc<TrustBundle>>,
    now: UnixTime,
) -> Result<VerifiedJwtSvid, LoginError> {
    let claimed = claimed_trust_domain(text).map_err(LoginError::Jwt)?;
    let (domain, bundles) = authorities(claimed, plan, bundle)?;
    jwt_svid(text, domain, &bundles, Vec::new(), now)
}

fn authorities(
    trust_domain: TrustDomain,
    plan: &LoginPlan,
    bundle: impl FnOnce(&LoginDomain) -> Option<Arc<TrustBundle>>,
) -> Result<(&LoginDomain, TrustBundles), LoginError> {
    let domain = plan.find(&trust_domain);
    let domain = domain.ok_or_else(|| LoginError::UnknownDomain(trust_domain.clone()))?;
    let mut bundles = TrustBundles::default();
    bundles.insert(bundle(domain).ok_or(LoginError::NoBundle(trust_domain))?);
    Ok((domain, bundles))
}

fn jwt_svid(
    text: &str,
    domain: &LoginDomain,
    bundles: &TrustBundles,
    usual: Vec<String>,
    now: UnixTime,
) -> Result<VerifiedJwtSvid, LoginError> {
    let rules = domain.rules(usual).map_err(LoginError::Rules)?;
    let svid = rules.verify(text, bundles, now).map_err(LoginError::Jwt)?;
    check_issuer(domain, &svid)?;
    Ok(svid)
}

/// Where `iss` is pinned, it is that.
fn check_issuer(domain: &LoginDomain, svid: &VerifiedJwtSvid) -> Result<(), LoginError> {
    let Some(pinned) = &domain.issuer else { return Ok(()) };
    match svid.claims().get("iss").and_then(Value::as_str) {
        Some(issuer) if issuer == pinned => Ok(()),
        _ => Err(LoginError::Issuer),
    }
}
