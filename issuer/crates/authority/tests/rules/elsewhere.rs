//! Keys that are kept outside the coordinator: what somebody else makes there, and a keeper that is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use moneyer_authority::keys::{KeyCommand, KeyKinds, KeyState, Line, Step};
use moneyer_authority::signer::{
    Dependency, Fault, KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey,
};
use moneyer_authority::{Charter, SelfCheckError};
use moneyer_identity::{KeyId, Token, UnsignedCertificate, UnsignedToken, VerifyingKey};
use moneyer_testkit::START;
use moneyer_testkit::signer::FreshSigner;

use crate::world::{DAY, World, charter, operator};

/// A keeper of keys that somebody else can make keys in, and that may be away.
#[derive(Debug, Clone, Default)]
struct Keeper {
    found: Arc<Mutex<VecDeque<NewKey>>>,
    fault: Arc<Mutex<Option<Fault>>>,
    /// It answers, and this key may not sign.
    forbids: Arc<Mutex<bool>>,
}

#[derive(Debug)]
struct KeptKey {
    inner: Arc<dyn SigningKey>,
    keeper: Keeper,
}

impl Keeper {
    async fn rotate(&self) -> KeyId {
        let new = FreshSigner.generate(KeyKind::P256).await.unwrap();
        let key_id = new.verifying_key.key_id().clone();
        *self.found.lock().unwrap() = VecDeque::from([new]);
        key_id
    }

    fn away(&self, is_away: bool) {
        let fault = Fault { since: START, problem: "no route".to_owned() };
        *self.fault.lock().unwrap() = is_away.then_some(fault);
    }
}

#[async_trait]
impl Signer for Keeper {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        FreshSigner.generate(kind).await
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let inner = FreshSigner.open(verifying_key, handle).await?;
        Ok(Arc::new(KeptKey { inner, keeper: self.clone() }))
    }

    async fn found(&self, _: KeyKind) -> Result<Option<NewKey>, SignerError> {
        let found = self.found.lock().unwrap();
        let copy = |key: &NewKey| NewKey {
            verifying_key: key.verifying_key.clone(),
            handle: key.handle.clone(),
        };
        Ok(found.front().map(copy))
    }
}

#[async_trait]
impl SigningKey for KeptKey {
    fn verifying_key(&self) -> &VerifyingKey {
        self.inner.verifying_key()
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        if self.keeper.fault.lock().unwrap().is_some() {
            return Err(SignerError::Unavailable("no route".into()));
        }
        if *self.keeper.forbids.lock().unwrap() {
            return Err(SignerError::Sign("a version that may sign no more".into()));
        }
        self.inner.sign(token).await
    }

    fn dependency(&self) -> Option<Dependency> {
        let fault = self.keeper.fault.lock().unwrap().clone();
        Some(Dependency { name: "vault", fault })
    }

    async fn sign_certificate(&self, _: UnsignedCertificate) -> Result<Vec<u8>, SignerError> {
        Err(SignerError::Unavailable("no route".into()))
    }
}

async fn world() -> (World, Keeper) {
    let keeper = Keeper::default();
    let charter = Charter { key_kinds: KeyKinds::only(KeyKind::P256), ..charter() };
    (World::signing(charter, Arc::new(keeper.clone())).await, keeper)
}

fn states(world: &World) -> Vec<(KeyId, KeyState)> {
    let ring = world.authority.keys().ring();
    ring.records().map(|key| (key.key_id.clone(), key.state)).collect()
}

fn signs(world: &World) -> KeyId {
    let ring = world.authority.keys().ring();
    let key = ring.signing_key(world.now()).unwrap();
    key.verifying_key().key_id().clone()
}

/// Relying parties are served what is in the ring, and what is due is done.
async fn turn(world: &World) -> Vec<Step> {
    let keys = world.authority.keys();
    let served: Vec<_> = keys.ring().keys().iter().map(|key| key.record.key_id.clone()).collect();
    keys.served(served);
    let outcomes = world.authority.rotate().await;
    outcomes.into_iter().map(|(step, done)| done.map(|()| step).unwrap()).collect()
}

#[tokio::test]
async fn a_key_that_somebody_else_made_is_published_long_before_it_signs() {
    let (world, keeper) = world().await;
    let first = signs(&world);
    let second = keeper.rotate().await;
    assert_eq!(turn(&world).await, [Step::Prepare(Line::Primary)]);
    assert_eq!(
        states(&world),
        [(first.clone(), KeyState::Active), (second.clone(), KeyState::Prepared)]
    );
    assert_eq!(turn(&world).await, [Step::Publish(second.clone())], "and it is taken up once");
    world.clock.advance(29 * DAY);
    turn(&world).await;
    assert_eq!(signs(&world), first, "its turn is that of any prepared key");
    world.clock.advance(DAY);
    turn(&world).await;
    assert_eq!(signs(&world), second);
    assert!(world.authority.keys().ring().publishes(&first));
}

#[tokio::test]
async fn whoever_rotates_without_end_fills_no_key_set() {
    let (world, keeper) = world().await;
    for _ in 0..5 {
        keeper.rotate().await;
        turn(&world).await;
    }
    assert_eq!(states(&world).len(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_not_taken_up_again() {
    let (world, keeper) = world().await;
    let second = keeper.rotate().await;
    turn(&world).await;
    let command = KeyCommand::Emergency(Some(second.clone()));
    world.authority.command_keys(&operator(), &command).await.unwrap();
    for _ in 0..40 {
        world.clock.advance(DAY);
        for step in turn(&world).await {
            assert_ne!(step, Step::Publish(second.clone()));
        }
    }
    assert!(!world.authority.keys().ring().publishes(&second));
}

// A restart would mend nothing, and take the public documents away meanwhile.
#[tokio::test]
async fn a_keeper_that_is_away_is_told_of_and_is_no_failed_self_check() {
    let (world, keeper) = world().await;
    let told = || world.authority.keys().dependencies(world.now());
    assert_eq!(told(), [Dependency { name: "vault", fault: None }]);
    world.authority.check_signing().await.unwrap();
    keeper.away(true);
    assert_eq!(told()[0].fault.as_ref().unwrap().problem, "no route");
    let checked: Result<(), SelfCheckError> = world.authority.check_signing().await;
    checked.unwrap();
}

#[tokio::test]
async fn nor_is_one_that_does_not_let_its_key_sign() {
    let (world, keeper) = world().await;
    *keeper.forbids.lock().unwrap() = true;
    world.authority.check_signing().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_now_hinders_no_start() {
    let (world, _keeper) = world().await;
    let kinds = KeyKinds::only(KeyKind::P256);
    let reopened = world.reopened_as(Charter { key_kinds: kinds, x5c: true, ..charter() }).await;
    let ring = reopened.keys().ring();
    assert!(ring.records().all(|key| key.certificate.is_none()));
}
