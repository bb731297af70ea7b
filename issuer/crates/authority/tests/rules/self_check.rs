//! The self-check: it passes exactly where tokens that are signed now are good by the published key set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use moneyer_authority::SelfCheckError;
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::{
    ClockFault, Token, UnsignedCertificate, UnsignedToken, VerifyError, VerifyingKey,
};
use moneyer_testkit::signer::FixtureSigner;

use crate::world::{World, charter};

const WORKS: u8 = 0;
const OVERLOADED: u8 = 1;
const WRONG: u8 = 2;

/// Signs rightly, not at all, or with a signature that is not one.
#[derive(Debug)]
struct MoodySigner {
    inner: FixtureSigner,
    mood: Arc<AtomicU8>,
}

#[derive(Debug)]
struct MoodyKey {
    inner: Arc<dyn SigningKey>,
    mood: Arc<AtomicU8>,
}

#[async_trait]
impl Signer for MoodySigner {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        self.inner.generate(kind).await
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let inner = self.inner.open(verifying_key, handle).await?;
        Ok(Arc::new(MoodyKey { inner, mood: self.mood.clone() }))
    }
}

#[async_trait]
impl SigningKey for MoodyKey {
    fn verifying_key(&self) -> &VerifyingKey {
        self.inner.verifying_key()
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        let signed = self.inner.sign(token).await?;
        match self.mood.load(Ordering::Relaxed) {
            OVERLOADED => Err(SignerError::Overloaded),
            WRONG => {
                // Another character at the signature's begin.
                let (rest, signature) = signed.expose().rsplit_once('.').unwrap();
                let first = if signature.starts_with('A') { 'B' } else { 'A' };
                Ok(Token::new(format!("{rest}.{first}{}", signature.split_at(1).1)))
            }
            _ => Ok(signed),
        }
    }

    async fn sign_certificate(&self, one: UnsignedCertificate) -> Result<Vec<u8>, SignerError> {
        self.inner.sign_certificate(one).await
    }
}

async fn moody() -> (World, Arc<AtomicU8>) {
    let mood = Arc::new(AtomicU8::new(WORKS));
    let signer = MoodySigner { inner: FixtureSigner::default(), mood: mood.clone() };
    (World::signing(charter(), Arc::new(signer)).await, mood)
}

#[tokio::test]
async fn it_tells_a_signer_that_works_from_one_that_does_not() {
    let (world, mood) = moody().await;
    let check = || world.authority.check_signing();
    check().await.unwrap();

    mood.store(WRONG, Ordering::Relaxed);
    let refused = check().await.unwrap_err();
    assert!(matches!(refused, SelfCheckError::Verify(VerifyError::Signature)), "{refused:?}");
    assert!(!refused.is_overload());

    mood.store(OVERLOADED, Ordering::Relaxed);
    assert!(check().await.unwrap_err().is_overload());

    mood.store(WORKS, Ordering::Relaxed);
    check().await.unwrap();
}

// A restart mends neither, and would take the public documents away meanwhile.
#[tokio::test]
async fn a_wrong_clock_is_no_failure_and_nothing_is_recorded() {
    let (world, _) = moody().await;
    let before = world.audit.records().len();
    world.clock.fail(Some(ClockFault::Jumped {
        by: std::time::Duration::from_secs(86_400),
        forward: true,
    }));
    world.authority.check_signing().await.unwrap();
    assert_eq!(world.audit.records().len(), before);
}
