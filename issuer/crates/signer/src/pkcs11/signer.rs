//! The PKCS#11 signer and its keys.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cryptoki::object::ObjectHandle;
use moneyer_authority::signer::{
    Dependency, KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey,
};
use moneyer_identity::{
    Clock, SigningInput, Token, UnsignedCertificate, UnsignedToken, VerifyingKey,
};
use tokio::time::{MissedTickBehavior, timeout};

use super::device::{Borrowed, Device, Pkcs11Options};
use super::error::Pkcs11Error;
use super::objects::{ObjectId, find, make, sign};
use crate::pool::Pool;
use crate::remote::{KeyStanding, RemoteHandle, Standing};

/// By which name its handles and its faults go.
const PKCS11: &str = "pkcs11";

/// Time to make a key: RSA-4096 takes a small device a minute.
const LONGEST_MAKING: Duration = Duration::from_secs(120);

/// How often it is asked whether the module is there: every tick while it is away, and every so many else.
const KEEP_EVERY: Duration = Duration::from_secs(1);
const TICKS_BETWEEN_LOOKS: u32 = 10;

/// What is signed to find out whether the module signs: no token and no certificate begins so.
const PROBE: &[u8] = b"moneyer: is the module back?";

/// Signs with keys in a security module. Clones are one.
#[derive(Debug, Clone)]
pub struct Pkcs11Signer {
    desk: Arc<Desk>,
}

#[derive(Debug)]
struct Desk {
    device: Device,
    pool: Pool,
    standing: Standing,
    timeout: Duration,
    /// The key that the module failed to sign with last.
    failed: Mutex<Option<Arc<ModuleKey>>>,
}

impl Pkcs11Signer {
    /// Starts its threads. The library is loaded when it is first needed: a module that is away hinders no
    /// start.
    pub fn start(options: Pkcs11Options, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let pool = Pool::start(options.pool)?;
        let (standing, timeout) = (Standing::new(PKCS11, clock), options.timeout);
        let (device, failed) = (Device::new(options), Mutex::new(None));
        let desk = Desk { device, pool, standing, timeout, failed };
        Ok(Self { desk: Arc::new(desk) })
    }

    /// Looks whether the module is there, and whether it is back where it was away; for ever.
    pub async fn keep(self) {
        let mut every = tokio::time::interval(KEEP_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0;
        loop {
            every.tick().await;
            let is_away = self.desk.standing.dependency().fault.is_some();
            if (!is_away && ticks % TICKS_BETWEEN_LOOKS == 0)
                || (is_away && self.desk.standing.admit().is_ok())
            {
                let looked = self.desk.clone().run(self.desk.timeout, Desk::look);
                // What is wrong is noted, and told to operators.
                looked.await.ok();
            }
            ticks += 1;
        }
    }
}

impl Desk {
    /// Does work on a thread of the pool, and notes whether the module did its part. What no thread had
    /// time for is no fault of the module's.
    async fn run<T: Send + 'static>(
        self: Arc<Self>,
        allowed: Duration,
        work: impl FnOnce(&Self) -> Result<T, Pkcs11Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let (desk, begun) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let begins = begun.clone();
        let job = move || {
            begins.store(true, Ordering::Relaxed);
            work(&desk)
        };
        let done = match timeout(allowed, self.pool.run(job)).await {
            Ok(Ok(done)) => done,
            Ok(Err(refused)) => return Err(Failure::Pool(refused)),
            Err(_elapsed) if !begun.load(Ordering::Relaxed) => {
                return Err(Failure::Pool(SignerError::Overloaded));
            }
            Err(_elapsed) => Err(Pkcs11Error::Slow(allowed)),
        };
        match &done {
            Err(error) if error.is_outage() => self.standing.fails(error),
            _ => self.standing.works(),
        }
        done.map_err(Failure::Module)
    }

    /// Whether the module does its work: by signing what could be no token, where that has failed before.
    fn look(&self) -> Result<(), Pkcs11Error> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.device.in_session(|borrowed| match &failed {
            Some(key) => key.sign(borrowed, PROBE).map(drop),
            None => borrowed.session.get_session_info().map(drop).map_err(Pkcs11Error::from),
        })
    }
}

/// Why work was not done.
enum Failure {
    Pool(SignerError),
    Module(Pkcs11Error),
}

impl Failure {
    fn or(self, told: impl FnOnce(Pkcs11Error) -> SignerError) -> SignerError {
        match self {
            Self::Pool(error) => error,
            Self::Module(error) => told(error),
        }
    }
}

#[async_trait]
impl Signer for Pkcs11Signer {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        let made = self.desk.clone().run(LONGEST_MAKING, move |desk| {
            desk.device.in_session(|borrowed| make(&borrowed.session, kind))
        });
        let (verifying_key, id) =
            made.await.map_err(|failure| failure.or(Pkcs11Error::into_making))?;
        let handle = RemoteHandle::new(id.to_text(), &verifying_key).to_handle(PKCS11);
        Ok(NewKey { verifying_key, handle })
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let opened = RemoteHandle::open(PKCS11, verifying_key, handle)?;
        let damaged = || SignerError::Open("the handle names no CKA_ID".into());
        let id = ObjectId::parse(&opened.locator).ok_or_else(damaged)?;
        let key = ModuleKey { verifying_key: verifying_key.clone(), id, found: Mutex::default() };
        let standing = KeyStanding::default();
        Ok(Arc::new(Pkcs11Key { key: Arc::new(key), standing, desk: self.desk.clone() }))
    }
}

/// An opened key.
#[derive(Debug)]
struct Pkcs11Key {
    key: Arc<ModuleKey>,
    standing: KeyStanding,
    desk: Arc<Desk>,
}

/// The part of it that goes to the threads.
#[derive(Debug)]
struct ModuleKey {
    verifying_key: VerifyingKey,
    id: ObjectId,
    /// Its object, and in which generation of sessions it was found.
    found: Mutex<Option<(u64, ObjectHandle)>>,
}

impl ModuleKey {
    fn sign(&self, borrowed: &Borrowed, message: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let object = self.object(borrowed)?;
        sign(&borrowed.session, object, self.verifying_key.algorithm(), message)
    }

    fn object(&self, borrowed: &Borrowed) -> Result<ObjectHandle, Pkcs11Error> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match *found {
            Some((generation, object)) if generation == borrowed.generation => Ok(object),
            _ => {
                let object = find(&borrowed.session, &self.id)?;
                *found = Some((borrowed.generation, object));
                Ok(object)
            }
        }
    }
}

impl Pkcs11Key {
    fn input(&self, token: &UnsignedToken) -> Result<SigningInput, SignerError> {
        if token.key_id() != self.key.verifying_key.key_id() {
            return Err(SignerError::Mismatch);
        }
        let input = token.signing_input(&self.key.verifying_key);
        input.map_err(|error| SignerError::Sign(error.into()))
    }

    async fn signature(&self, message: Vec<u8>) -> Result<Vec<u8>, SignerError> {
        self.desk.standing.admit()?;
        let key = self.key.clone();
        let signed = self.desk.clone().run(self.desk.timeout, move |desk| {
            desk.device.in_session(|borrowed| key.sign(borrowed, &message))
        });
        let signed = signed.await;
        let problem = match &signed {
            Err(Failure::Module(error)) if error.is_outage() => {
                let mut failed = self.desk.failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed = Some(self.key.clone());
                None
            }
            Err(Failure::Module(error)) => Some(error.to_string()),
            _ => None,
        };
        self.standing.note(&self.desk.standing, problem);
        signed.map_err(|failure| failure.or(Pkcs11Error::into_signing))
    }
}

#[async_trait]
impl SigningKey for Pkcs11Key {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.key.verifying_key
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        let input = self.input(&token)?;
        let signature = self.signature(input.as_bytes().to_vec()).await?;
        let token = input.signed(&self.key.verifying_key, &signature);
        token.map_err(|error| {
            tracing::error!(
                key.id = self.key.verifying_key.key_id().as_str(),
                "the security module gave a signature that does not verify; no token leaves with it"
            );
            SignerError::Sign(error.into())
        })
    }

    fn dependency(&self) -> Option<Dependency> {
        Some(self.desk.standing.dependency_of(&self.standing))
    }

    async fn sign_certificate(
        &self,
        unsigned: UnsignedCertificate,
    ) -> Result<Vec<u8>, SignerError> {
        let signature = self.signature(unsigned.as_bytes().to_vec()).await?;
        let signed = unsigned.signed(&self.key.verifying_key, signature);
        signed.map_err(|error| SignerError::Certify(error.into()))
    }

    async fn sign_all(&self, tokens: Vec<UnsignedToken>) -> Vec<Result<Token, SignerError>> {
        // All of them wait for a thread at once.
        let signing = tokens.into_iter().map(|token| self.sign(token));
        futures_util::future::join_all(signing).await
    }
}
