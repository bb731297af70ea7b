//! A token on its way to its signature.

use std::fmt;
use std::sync::Arc;

use moneyer_identity::{
    ClaimSet, KeyId, Lifetime, MintedToken, Token, TokenId, UnixTime, UnsignedToken,
};

use crate::audit::TokenMinted;
use crate::mint::error::MintError;
use crate::mint::length;
use crate::signer::SigningKey;

/// A token up to its signature.
pub(crate) struct Draft {
    /// The key that is to sign it.
    pub(super) key: Arc<dyn SigningKey>,
    pub(super) unsigned: UnsignedToken,
    pub(super) minted: Minted,
    /// What the audit log is told of it.
    pub(super) recorded: TokenMinted,
}

/// What its holder has to know of it.
pub(super) struct Minted {
    expires_in: Lifetime,
    expires_at: UnixTime,
    key_id: KeyId,
    token_id: TokenId,
}

impl Draft {
    /// Writes the claims for a key.
    pub(super) fn new(key: Arc<dyn SigningKey>, claims: ClaimSet) -> Result<Self, MintError> {
        let verifying_key = key.verifying_key();
        length::check(&claims, verifying_key)?;
        let key_id = verifying_key.key_id().clone();
        let unsigned = UnsignedToken::new(key_id.clone(), &claims)
            .map_err(|error| MintError::Encode(error.into()))?;
        let expires_in = Lifetime::of(claims.exp.since(claims.iat));
        let (expires_at, token_id) = (claims.exp, claims.jti.clone());
        let recorded = TokenMinted {
            sandbox: claims.sandbox_id,
            app: claims.app,
            runner: claims.runner_id,
            system_workload: claims.system_workload,
            policies: claims.policies,
            sub: claims.sub,
            aud: claims.aud,
            jti: claims.jti,
            kid: key_id.clone(),
            exp: claims.exp,
        };
        let minted = Minted { expires_in, expires_at, key_id, token_id };
        Ok(Self { key, unsigned, minted, recorded })
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("recorded", &self.recorded).finish_non_exhaustive()
    }
}

impl Minted {
    /// Its `jti`.
    pub(super) fn token_id(&self) -> &TokenId {
        &self.token_id
    }

    /// Its `kid`.
    pub(super) fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Adds the signed token.
    pub(super) fn with(self, token: Token) -> MintedToken {
        let Self { expires_in, expires_at, key_id, token_id } = self;
        MintedToken { token, expires_in, expires_at, key_id, token_id }
    }
}
