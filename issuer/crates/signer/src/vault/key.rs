//! One version of a transit key, opened.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::signer::{Dependency, SignerError, SigningKey};
use moneyer_identity::{SigningInput, Token, UnsignedCertificate, UnsignedToken, VerifyingKey};
use tokio::sync::SemaphorePermit;
use tokio::time::{Duration, Instant, timeout_at};

use super::error::VaultError;
use super::signer::Desk;
use super::transit::KeyVersion;
use crate::remote::KeyStanding;

/// What a batch may take beside a single token's time, for each of its tokens.
const EACH_OF_A_BATCH: Duration = Duration::from_millis(10);

/// Most tokens in one call: well within the size of a request that Vault takes.
const MAXIMUM_BATCH: usize = 1000;

/// Signatures, or why each is not there, in the order of what was to be signed.
type Signatures = Vec<Result<Vec<u8>, VaultError>>;

/// An opened key.
#[derive(Debug)]
pub(super) struct VaultKey {
    verifying_key: VerifyingKey,
    key: KeyVersion,
    desk: Arc<Desk>,
    standing: Arc<KeyStanding>,
}

impl VaultKey {
    pub(super) fn new(verifying_key: VerifyingKey, key: KeyVersion, desk: Arc<Desk>) -> Self {
        let standing = desk.uses(&key, verifying_key.algorithm());
        Self { verifying_key, key, desk, standing }
    }

    /// Asks for signatures over messages, in one call.
    async fn ask(&self, messages: &[&[u8]]) -> Result<Signatures, SignerError> {
        let desk = &self.desk;
        let many = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        let allowed = desk.timeout + EACH_OF_A_BATCH * many.saturating_sub(1);
        let deadline = Instant::now() + allowed;
        let _turn = self.turn(deadline).await?;
        // Asked last: of all that wait while Vault is away, one finds out whether it is back.
        desk.standing.admit()?;
        let signing = desk.transit.sign(&self.key, self.verifying_key.algorithm(), messages);
        let signed = timeout_at(deadline, signing).await;
        let signed = signed.unwrap_or(Err(VaultError::Slow(allowed)));
        desk.note(&signed);
        let first = signed.as_ref().map(|signed| signed.iter().find_map(|one| one.as_ref().err()));
        desk.judge(&self.standing, first.unwrap_or_else(Some));
        signed.map_err(VaultError::into_signing)
    }

    /// Waits for a place among the requests that are under way.
    async fn turn(&self, deadline: Instant) -> Result<[SemaphorePermit<'_>; 2], SignerError> {
        let overloaded = |_full| SignerError::Overloaded;
        let place = self.desk.waiting.try_acquire().map_err(overloaded)?;
        let turn = timeout_at(deadline, self.desk.under_way.acquire()).await;
        let turn = turn.map_err(|_elapsed| SignerError::Overloaded)?;
        let turn = turn.map_err(|closed| SignerError::Unavailable(closed.into()))?;
        Ok([place, turn])
    }

    fn token(
        &self,
        input: SigningInput,
        signature: Result<Vec<u8>, VaultError>,
    ) -> Result<Token, SignerError> {
        let signature = signature.map_err(VaultError::into_signing)?;
        input.signed(&self.verifying_key, &signature).map_err(|error| {
            tracing::error!(
                key.id = self.verifying_key.key_id().as_str(),
                "Vault gave a signature that does not verify; no token leaves with it"
            );
            SignerError::Sign(error.into())
        })
    }

    fn input(&self, token: &UnsignedToken) -> Result<SigningInput, SignerError> {
        if token.key_id() != self.verifying_key.key_id() {
            return Err(SignerError::Mismatch);
        }
        let input = token.signing_input(&self.verifying_key);
        input.map_err(|error| SignerError::Sign(error.into()))
    }

    /// Tokens that name this key, of which there are not more than one call takes.
    async fn sign_batch(&self, inputs: Vec<SigningInput>) -> Vec<Result<Token, SignerError>> {
        let messages: Vec<_> = inputs.iter().map(SigningInput::as_bytes).collect();
        match self.ask(&messages).await {
            Ok(signatures) => inputs
                .into_iter()
                .zip(signatures)
                .map(|(input, signature)| self.token(input, signature))
                .collect(),
            Err(error) => inputs.iter().map(|_| Err(again(&error))).collect(),
        }
    }
}

#[async_trait]
impl SigningKey for VaultKey {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        let input = self.input(&token)?;
        let signature = self.ask(&[input.as_bytes()]).await?.pop();
        let absent = VaultError::Answer("a signature is missing");
        self.token(input, signature.unwrap_or(Err(absent)))
    }

    fn dependency(&self) -> Option<Dependency> {
        if let Some(error) = self.desk.foreseen(&self.key) {
            self.desk.judge(&self.standing, Some(&error));
        }
        Some(self.desk.standing.dependency_of(&self.standing))
    }

    async fn sign_certificate(
        &self,
        unsigned: UnsignedCertificate,
    ) -> Result<Vec<u8>, SignerError> {
        let signature = self.ask(&[unsigned.as_bytes()]).await?.pop();
        let absent = VaultError::Answer("a signature is missing");
        let signature = signature.unwrap_or(Err(absent)).map_err(VaultError::into_signing)?;
        let signed = unsigned.signed(&self.verifying_key, signature);
        signed.map_err(|error| SignerError::Certify(error.into()))
    }

    async fn sign_all(&self, tokens: Vec<UnsignedToken>) -> Vec<Result<Token, SignerError>> {
        let mut answers: Vec<_> = Vec::with_capacity(tokens.len());
        let (mut places, mut inputs) = (Vec::new(), Vec::new());
        for (at, token) in tokens.iter().enumerate() {
            match self.input(token) {
                Ok(input) => {
                    places.push(at);
                    inputs.push(input);
                    // In place of the answer to come.
                    answers.push(Err(SignerError::Overloaded));
                }
                Err(error) => answers.push(Err(error)),
            }
        }
        let mut signed = Vec::with_capacity(inputs.len());
        while !inputs.is_empty() {
            let rest = inputs.split_off(inputs.len().min(MAXIMUM_BATCH));
            signed.extend(self.sign_batch(inputs).await);
            inputs = rest;
        }
        for (at, token) in places.into_iter().zip(signed) {
            if let Some(answer) = answers.get_mut(at) {
                *answer = token;
            }
        }
        answers
    }
}

/// The same error for another token of the batch.
fn again(error: &SignerError) -> SignerError {
    match error {
        SignerError::Overloaded => SignerError::Overloaded,
        SignerError::Unavailable(cause) => SignerError::Unavailable(cause.to_string().into()),
        other => SignerError::Sign(moneyer_identity::error_chain(other).into()),
    }
}
