//! The Vault signer: makes, opens and finds keys, and looks after the token and what is known of the keys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::{Algorithm, Clock, VerifyingKey, error_chain};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::client::Client;
use super::error::VaultError;
use super::key::VaultKey;
use super::login::VaultLogin;
use super::names::VaultPath;
use super::transit::{KeyVersion, Known, Transit, type_of};
use super::transport::VaultTransport;
use crate::remote::{KeyStanding, RemoteHandle, Standing};

/// By which name its handles and its faults go.
pub(super) const VAULT: &str = "vault";

/// How often it is looked whether something is to be done about the token.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// What is signed to find out whether Vault signs: no token and no certificate begins so.
const PROBE: &[u8] = b"moneyer: is Vault back?";

/// How often the log says that the keys cannot be read, while they cannot.
const COMPLAIN_EVERY: Duration = Duration::from_secs(600);

/// How a Vault is asked.
#[derive(Debug, Clone)]
pub struct VaultOptions {
    /// Where the transit engine is mounted.
    pub mount: VaultPath,
    /// The namespace, where Vault has them.
    pub namespace: Option<VaultPath>,
    /// What the names of Moneyer's transit keys begin with.
    pub key_prefix: VaultPath,
    /// How Moneyer gets its token.
    pub login: VaultLogin,
    /// How long a signature may take, all waiting included.
    pub timeout: Duration,
    /// How many requests for signatures are under way at most.
    pub concurrency: usize,
    /// How many may wait for their turn; what comes beside them is refused at once.
    pub queue: usize,
    /// How often it is looked for what became of the transit keys.
    pub refresh_every: Duration,
}

/// Signs with keys in Vault's transit engine. Clones are one.
#[derive(Debug, Clone)]
pub struct VaultSigner {
    desk: Arc<Desk>,
    key_prefix: VaultPath,
    refresh_every: Duration,
}

/// What the signer and its keys share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) transit: Transit,
    pub(super) standing: Standing,
    pub(super) timeout: Duration,
    pub(super) under_way: Semaphore,
    pub(super) waiting: Semaphore,
    names: Mutex<BTreeMap<String, Name>>,
}

/// What is known of a transit key that is in use.
#[derive(Debug, Default)]
struct Name {
    /// The newest version that was made or opened here, and what it signs with.
    newest: Option<(u32, Algorithm)>,
    known: Option<Known>,
    /// How it stands with the versions that are open.
    open: BTreeMap<u32, (Algorithm, Weak<KeyStanding>)>,
}

impl Desk {
    /// What the transit key's own record, as it was last seen, says against this version, before anything is signed with
    /// it.
    pub(super) fn foreseen(&self, key: &KeyVersion) -> Option<VaultError> {
        let known = self.names().get(&key.name)?.known.clone()?;
        let (name, version) = (key.name.clone(), key.version);
        if !known.versions.contains(&version) {
            return Some(VaultError::NoVersion { name, version });
        }
        (known.minimum > version).then_some(VaultError::BelowMinimum { name, version })
    }

    /// Notes what is wrong with a version, where Vault itself works.
    pub(super) fn judge(&self, standing: &KeyStanding, error: Option<&VaultError>) {
        let own = |error: &&VaultError| !error.is_outage() && !matches!(error, VaultError::Quota);
        standing.note(&self.standing, error.filter(own).map(ToString::to_string));
    }

    /// A version is in use here, and how it stands with that.
    pub(super) fn uses(&self, key: &KeyVersion, algorithm: Algorithm) -> Arc<KeyStanding> {
        let mut names = self.names();
        let name = names.entry(key.name.clone()).or_default();
        name.newest = name.newest.max(Some((key.version, algorithm)));
        let open = name.open.get(&key.version).and_then(|(_, standing)| standing.upgrade());
        let standing = open.unwrap_or_default();
        name.open.insert(key.version, (algorithm, Arc::downgrade(&standing)));
        standing
    }

    /// The open versions that something is wrong with.
    fn faulty(&self) -> Vec<(KeyVersion, Algorithm, Arc<KeyStanding>)> {
        let mut faulty = Vec::new();
        for (name, known) in &mut *self.names() {
            known.open.retain(|_, (_, standing)| standing.strong_count() > 0);
            for (version, (algorithm, standing)) in &known.open {
                if let Some(standing) = standing.upgrade().filter(|one| one.is_faulty()) {
                    let key = KeyVersion { name: name.clone(), version: *version };
                    faulty.push((key, *algorithm, standing));
                }
            }
        }
        faulty
    }

    fn learn(&self, name: &str, known: Known) {
        if let Some(name) = self.names().get_mut(name) {
            name.known = Some(known);
        }
    }

    /// Notes whether Vault answered as it has to.
    pub(super) fn note<T>(&self, answer: &Result<T, VaultError>) {
        match answer {
            Err(error) if error.is_outage() => self.standing.fails(error),
            Err(VaultError::Quota) => {}
            _ => self.standing.works(),
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VaultSigner {
    /// A signer that has asked nothing yet: a Vault that is away hinders no start.
    #[must_use]
    pub fn new(
        options: VaultOptions,
        transport: Arc<dyn VaultTransport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let client = Client::new(transport, options.namespace.as_ref(), options.login);
        let transit = Transit { client: Arc::new(client), mount: options.mount };
        let desk = Desk {
            transit,
            standing: Standing::new(VAULT, clock),
            timeout: options.timeout,
            under_way: Semaphore::new(options.concurrency),
            waiting: Semaphore::new(options.queue.saturating_add(options.concurrency)),
            names: Mutex::default(),
        };
        let (key_prefix, refresh_every) = (options.key_prefix, options.refresh_every);
        Self { desk: Arc::new(desk), key_prefix, refresh_every }
    }

    /// Keeps the token good, asks whether Vault is back where it was away, and looks for what became of the
    /// transit keys; for ever.
    pub async fn keep(self) {
        let mut every = tokio::time::interval(KEEP_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut refresh_at, mut complain_at) = (Instant::now(), Instant::now());
        loop {
            every.tick().await;
            if self.desk.standing.admit().is_err() {
                continue;
            }
            let was_away = self.desk.standing.dependency().fault.is_some();
            // A log-in may take longer than a signature, and is not waited for without an end.
            let allowed = self.desk.timeout * 3;
            let kept = timeout(allowed, self.desk.transit.client.keep()).await;
            let kept = kept.unwrap_or(Err(VaultError::Slow(allowed)));
            if kept.is_err() {
                self.desk.note(&kept);
                continue;
            }
            if was_away {
                self.probe().await;
                continue;
            }
            let now = Instant::now();
            if now < refresh_at {
                continue;
            }
            refresh_at = now + self.refresh_every;
            let refreshed = self.refresh().await;
            if let Err(error) = refreshed
                && now >= complain_at
            {
                complain_at = now + COMPLAIN_EVERY;
                let cause = error_chain(&error);
                tracing::warn!(error.cause = cause, "Vault's transit keys cannot be looked at");
            }
            self.look_again().await;
        }
    }

    /// Asks for a signature over nothing that could be a token, so that a Vault that is back is known to
    /// sign, and not to answer alone.
    async fn probe(&self) {
        let in_use = |(name, known): (&String, &Name)| {
            let (version, algorithm) = known.newest?;
            Some((KeyVersion { name: name.clone(), version }, algorithm))
        };
        let keys: Vec<_> = self.desk.names().iter().filter_map(in_use).collect();
        if keys.is_empty() {
            // Nothing is to be signed, and it has answered.
            self.desk.standing.works();
        }
        for (key, algorithm) in keys {
            let signed = self.try_out(&key, algorithm).await;
            if signed.is_err_and(|error| error.is_outage()) {
                return;
            }
        }
    }

    /// Looks whether what was wrong with a version is so still: that it is may keep everybody from asking it for a
    /// signature, which would tell.
    async fn look_again(&self) {
        for (key, algorithm, standing) in self.desk.faulty() {
            if self.desk.foreseen(&key).is_some() {
                continue;
            }
            match self.try_out(&key, algorithm).await {
                Err(error) if error.is_outage() || matches!(error, VaultError::Quota) => return,
                signed => self.desk.judge(&standing, signed.err().as_ref()),
            }
        }
    }

    async fn try_out(&self, key: &KeyVersion, algorithm: Algorithm) -> Result<(), VaultError> {
        let signing = self.desk.transit.sign(key, algorithm, &[PROBE]);
        let signed = timeout(self.desk.timeout, signing).await;
        let signed = signed.unwrap_or(Err(VaultError::Slow(self.desk.timeout)));
        self.desk.note(&signed);
        signed?.into_iter().try_for_each(|signature| signature.map(drop))
    }

    /// Learns what became of the transit keys in use. That they may not be read is no outage.
    async fn refresh(&self) -> Result<(), VaultError> {
        let names: Vec<String> = self.desk.names().keys().cloned().collect();
        for name in names {
            let known = timeout(MAKING, self.desk.transit.looked_at(&name)).await;
            match known.unwrap_or(Err(VaultError::Slow(MAKING))) {
                Ok((known, _)) => self.desk.learn(&name, known),
                Err(error @ VaultError::Denied { .. }) => return Err(error),
                Err(error) => self.desk.note::<()>(&Err(error)),
            }
        }
        Ok(())
    }

    /// A version of a transit key that somebody else made, as a key that opens.
    pub async fn existing(&self, name: &VaultPath, version: u32) -> Result<NewKey, VaultError> {
        let (known, _) = self.desk.transit.known(name.as_str()).await?;
        if known.latest != version {
            let name = name.as_str().to_owned();
            return Err(VaultError::NoVersion { name, version });
        }
        Ok(new_key(name.as_str(), &known))
    }

    fn name_of(&self, kind: KeyKind) -> String {
        format!("{}-{}", self.key_prefix, type_of(kind))
    }

    async fn make(&self, kind: KeyKind) -> Result<NewKey, VaultError> {
        let (name, wanted, transit) = (self.name_of(kind), type_of(kind), &self.desk.transit);
        match transit.known(&name).await {
            Ok((_, found)) if found != wanted => {
                return Err(VaultError::Type { name, found, wanted });
            }
            Ok(_) => transit.rotate(&name).await?,
            Err(VaultError::NoKey(_)) => transit.create(&name, wanted).await?,
            Err(error) => return Err(error),
        }
        let (known, found) = transit.known(&name).await?;
        if found != wanted {
            return Err(VaultError::Type { name, found, wanted });
        }
        let key = KeyVersion { name: name.clone(), version: known.latest };
        drop(self.desk.uses(&key, known.public.algorithm()));
        let made = new_key(&name, &known);
        self.desk.learn(&name, known);
        Ok(made)
    }
}

fn new_key(name: &str, known: &Known) -> NewKey {
    let locator = KeyVersion { name: name.to_owned(), version: known.latest }.to_text();
    let handle = RemoteHandle::new(locator, &known.public).to_handle(VAULT);
    NewKey { verifying_key: known.public.clone(), handle }
}

/// Time to make a key: RSA-4096 takes seconds, and there are three requests.
const MAKING: Duration = Duration::from_secs(30);

#[async_trait]
impl Signer for VaultSigner {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        let made = timeout(MAKING, self.make(kind)).await;
        let made = made.unwrap_or(Err(VaultError::Slow(MAKING)));
        made.map_err(VaultError::into_making)
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let opened = RemoteHandle::open(VAULT, verifying_key, handle)?;
        let damaged = || SignerError::Open("the handle names no version of a transit key".into());
        let key = KeyVersion::parse(&opened.locator).ok_or_else(damaged)?;
        Ok(Arc::new(VaultKey::new(verifying_key.clone(), key, self.desk.clone())))
    }

    async fn found(&self, kind: KeyKind) -> Result<Option<NewKey>, SignerError> {
        let name = self.name_of(kind);
        let names = self.desk.names();
        let found = names.get(&name).and_then(|name| name.known.as_ref().zip(name.newest));
        let found = found.filter(|(known, (newest, _))| {
            known.latest > *newest && known.public.algorithm() == kind.algorithm()
        });
        Ok(found.map(|(known, _)| new_key(&name, known)))
    }
}
