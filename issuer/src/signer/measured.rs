//! What signing elsewhere costs: a signer whose keys tell how long each signature took.
//!
//! For signers of other processes and devices alone. What the coordinator signs itself is in the time of a
//! mint, and stays without a clock around it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use moneyer_authority::signer::{
    Dependency, KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey,
};
use moneyer_identity::{ErrorClass, Token, UnsignedCertificate, UnsignedToken, VerifyingKey};
use tokio::time::Instant;

const SECONDS: &str = "moneyer_signer_seconds";
const FAILURES: &str = "moneyer_signer_failures_total";

/// The metrics of one signer.
#[derive(Clone)]
pub(crate) struct SignerMetrics {
    seconds: Histogram,
    failures: [(ErrorClass, Counter); 8],
}

impl SignerMetrics {
    /// Registers them under the signer's name.
    pub(crate) fn new(signer: &'static str) -> Self {
        describe_histogram!(
            SECONDS,
            Unit::Seconds,
            "Time from asking a signer outside the coordinator to its signatures, a batch at once"
        );
        describe_counter!(
            FAILURES,
            "Signatures that a signer outside the coordinator did not give, by class"
        );
        let failures = |class: ErrorClass| {
            let counter = counter!(FAILURES, "signer" => signer, "class" => class.as_str());
            (class, counter)
        };
        let seconds = histogram!(SECONDS, "signer" => signer);
        Self { seconds, failures: ErrorClass::ALL.map(failures) }
    }

    fn note<'a>(
        &self,
        since: Instant,
        mut failed: impl Iterator<Item = &'a SignerError>,
        signed: bool,
    ) {
        if signed {
            self.seconds.record(since.elapsed());
        }
        failed.by_ref().for_each(|error| {
            let class = error.class();
            if let Some((_, counter)) = self.failures.iter().find(|(of, _)| *of == class) {
                counter.increment(1);
            }
        });
    }
}

impl fmt::Debug for SignerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignerMetrics")
    }
}

/// A signer whose signatures are timed.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) metrics: SignerMetrics,
}

#[async_trait]
impl Signer for Measured {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        self.signer.generate(kind).await
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let key = self.signer.open(verifying_key, handle).await?;
        Ok(Arc::new(MeasuredKey { key, metrics: self.metrics.clone() }))
    }

    async fn found(&self, kind: KeyKind) -> Result<Option<NewKey>, SignerError> {
        self.signer.found(kind).await
    }
}

#[derive(Debug)]
struct MeasuredKey {
    key: Arc<dyn SigningKey>,
    metrics: SignerMetrics,
}

#[async_trait]
impl SigningKey for MeasuredKey {
    fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        let since = Instant::now();
        let signed = self.key.sign(token).await;
        self.metrics.note(since, signed.as_ref().err().into_iter(), signed.is_ok());
        signed
    }

    fn dependency(&self) -> Option<Dependency> {
        self.key.dependency()
    }

    async fn sign_certificate(
        &self,
        unsigned: UnsignedCertificate,
    ) -> Result<Vec<u8>, SignerError> {
        self.key.sign_certificate(unsigned).await
    }

    async fn sign_all(&self, tokens: Vec<UnsignedToken>) -> Vec<Result<Token, SignerError>> {
        let since = Instant::now();
        let signed = self.key.sign_all(tokens).await;
        let failed = signed.iter().filter_map(|one| one.as_ref().err());
        self.metrics.note(since, failed, signed.iter().any(Result::is_ok));
        signed
    }
}
