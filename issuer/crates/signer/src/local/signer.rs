//! The local signer.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::{Token, UnsignedCertificate, UnsignedToken, VerifyingKey};

use crate::local::jws_signer::PrivateKey;
use crate::pool::{Answer, Pool, PoolLimits};

/// Tokens signed by one thread in one go. Sixteen RSA-2048 signatures are 4 ms, which a token that comes
/// alone may wait behind; and a change of threads for sixteen costs each next to nothing.
const PIECE: usize = 16;

/// Signs with keys in this process's memory.
#[derive(Debug)]
pub struct LocalSigner {
    pool: Pool,
}

impl LocalSigner {
    /// Starts its threads.
    pub fn start(limits: PoolLimits) -> std::io::Result<Self> {
        Ok(Self { pool: Pool::start(limits)? })
    }
}

#[async_trait]
impl Signer for LocalSigner {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        self.pool
            .run(move || {
                let (key, pkcs8) = PrivateKey::generate(kind)?;
                let verifying_key =
                    key.verifying_key().map_err(|error| SignerError::Generate(error.into()))?;
                Ok(NewKey { verifying_key, handle: KeyHandle::new(pkcs8) })
            })
            .await?
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let private = PrivateKey::parse(verifying_key.algorithm(), handle.expose())?;
        let public = private.verifying_key().map_err(|error| SignerError::Open(error.into()))?;
        if public.thumbprint() != verifying_key.thumbprint() {
            return Err(SignerError::Mismatch);
        }
        let verifying_key = verifying_key.clone();
        Ok(Arc::new(LocalKey { verifying_key, private, pool: self.pool.clone() }))
    }
}

/// An opened key.
#[derive(Debug)]
struct LocalKey {
    verifying_key: VerifyingKey,
    private: PrivateKey,
    pool: Pool,
}

#[async_trait]
impl SigningKey for LocalKey {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        if token.key_id() != self.verifying_key.key_id() {
            return Err(SignerError::Mismatch);
        }
        if self.private.is_quick()
            && let Some(_turn) = self.pool.turn()
        {
            return token.signed_by(&self.private).map_err(|error| SignerError::Sign(error.into()));
        }
        let private = self.private.clone();
        self.pool
            .run(move || token.signed_by(&private).map_err(|error| SignerError::Sign(error.into())))
            .await?
    }

    async fn sign_certificate(
        &self,
        unsigned: UnsignedCertificate,
    ) -> Result<Vec<u8>, SignerError> {
        let private = self.private.clone();
        let sign = move || unsigned.signed_by(&private);
        self.pool.run(sign).await?.map_err(|error| SignerError::Certify(error.into()))
    }

    async fn sign_all(&self, tokens: Vec<UnsignedToken>) -> Vec<Result<Token, SignerError>> {
        let mut pieces = Vec::with_capacity(tokens.len().div_ceil(PIECE));
        let mut tokens = tokens.into_iter().peekable();
        while tokens.peek().is_some() {
            let piece: Vec<_> = tokens.by_ref().take(PIECE).collect();
            pieces.push((piece.len(), self.submit_piece(piece)));
        }
        let mut signed = Vec::new();
        for (length, submitted) in pieces {
            let piece = match submitted {
                Ok(answer) => answer.wait().await,
                Err(refused) => Err(refused),
            };
            match piece {
                Ok(piece) => signed.extend(piece),
                Err(SignerError::Overloaded) => {
                    signed.extend((0..length).map(|_| Err(SignerError::Overloaded)));
                }
                Err(_lost) => signed.extend((0..length).map(|_| Err(lost()))),
            }
        }
        signed
    }
}

type Signed = Vec<Result<Token, SignerError>>;

impl LocalKey {
    fn submit_piece(&self, piece: Vec<UnsignedToken>) -> Result<Answer<Signed>, SignerError> {
        let (private, key_id) = (self.private.clone(), self.verifying_key.key_id().clone());
        let sign = move |token: UnsignedToken| {
            if *token.key_id() != key_id {
                return Err(SignerError::Mismatch);
            }
            token.signed_by(&private).map_err(|error| SignerError::Sign(error.into()))
        };
        self.pool.submit(move || piece.into_iter().map(sign).collect())
    }
}

fn lost() -> SignerError {
    SignerError::Unavailable("a signing thread was lost".into())
}
