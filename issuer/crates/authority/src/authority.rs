//! The authority: one value that every protocol's edge calls.
//!
//! It holds the parts and reads the clock once per call. An edge converts a request, makes one call
//! here, and converts the answer.

use std::sync::Arc;

use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{
    Clock, ClockFault, ErrorClass, IssuerUrl, MintedToken, SandboxId, SubjectParts,
    SystemWorkloadName, UnixTime,
};

use crate::audit::{Actor, Audit, Holder, Ledger, Refusals};
use crate::enrollment::{
    AuthenticateError, AuthenticatedRunner, Caller, CertificateLifetimes, ClusterAuthority,
    Enrollment, EnrollmentError, Member, MemberKind, Members, PeerLeaf, Places,
};
use crate::issuers::{Issuers, IssuersError};
use crate::keys::{Keys, KeysError, Published, Schedule};
use crate::mint::{Ask, AudiencePolicy, Gate, MintError, Minter, Request};
use crate::registry::{Registry, RegistryError, SystemPermit, SystemWorkload};
use crate::signer::{KeyKind, Signer, SigningKey};
use crate::store::{Store, StoreError, load_records};

/// What an authority is for.
#[derive(Debug, Clone)]
pub struct Charter {
    /// The value of `iss` at the first start. Afterwards the store knows it; see [`Issuers`].
    pub issuer: IssuerUrl,
    /// Whether the trust domain was named by the operator. Otherwise an existing cluster keeps its own,
    /// whatever the issuer's host is now.
    pub trust_domain_is_named: bool,
    /// What subjects are joined from.
    pub parts: SubjectParts,
    /// Path of the key set under the issuer, beginning with a slash.
    pub key_set_path: String,
    /// Which audiences may be asked for.
    pub policy: AudiencePolicy,
    /// The closed list of system workloads.
    pub system_workloads: Vec<SystemWorkload>,
    /// What keys to make.
    pub key_kind: KeyKind,
    /// When keys change.
    pub schedule: Schedule,
    /// How long the cluster's own certificates live.
    pub certificates: CertificateLifetimes,
}

/// What an authority is built on.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Keeps the records.
    pub store: Arc<dyn Store>,
    /// Holds private keys.
    pub signer: Arc<dyn Signer>,
    /// Keeps the audit log.
    pub audit: Arc<dyn Audit>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Why an authority does not come up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The cluster's own authority cannot be loaded or made.
    #[error("the cluster's certificate authority cannot be loaded")]
    ClusterAuthority(#[source] StoreError),
    /// The members or join tokens cannot be loaded.
    #[error("the members cannot be loaded")]
    Members(#[source] StoreError),
    /// The signing keys cannot be loaded or made.
    #[error("the signing keys cannot be loaded")]
    Keys(#[source] KeysError),
    /// The issuers cannot be loaded, or the configuration names another.
    #[error("the issuer cannot be taken up")]
    Issuers(#[source] IssuersError),
    /// The apps or sandboxes cannot be loaded.
    #[error("the apps and sandboxes cannot be loaded")]
    Registry(#[source] RegistryError),
}

/// Why a member is not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Its join tokens could not be withdrawn. Nothing else was done.
    #[error("the join tokens could not be withdrawn")]
    JoinTokens(#[source] EnrollmentError),
    /// Its record could not be removed. Its join tokens are withdrawn.
    #[error("the member could not be removed")]
    Member(#[source] RegistryError),
}

impl RemoveError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::JoinTokens(error) => error.class(),
            Self::Member(error) => error.class(),
        }
    }
}

/// Keys, members, placements and minting of one cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authority {
    charter: Arc<Charter>,
    ports: Ports,
    keys: Arc<Keys>,
    issuers: Arc<Issuers>,
    members: Arc<Members>,
    enrollment: Enrollment,
    registry: Registry,
    minter: Minter,
    ledger: Ledger,
    refusals: Refusals,
    gate: Gate,
}

impl Authority {
    /// Loads everything into memory; makes the first key and the cluster's own authority where there
    /// are none.
    pub async fn open(mut charter: Charter, ports: Ports) -> Result<Self, OpenError> {
        let Ports { store, signer, audit, clock } = ports.clone();
        let now = clock.now();
        let ledger = Ledger::new(store.clone(), audit.clone(), clock);
        let cluster_authority = open_cluster(&mut charter, &*store, now).await?;
        let records = load_records::<Member>(&*store).await.map_err(OpenError::Members)?;
        let members = Arc::new(Members::new(records));
        let enrollment = Enrollment::open(ledger.clone(), members.clone(), cluster_authority)
            .await
            .map_err(OpenError::Members)?;
        let keys = Keys::open(ledger.clone(), signer, charter.key_kind, charter.schedule, now)
            .await
            .map_err(OpenError::Keys)?;
        let keys = Arc::new(keys);
        let lifetime = charter.schedule.maximum_lifetime();
        let issuers = Issuers::open(ledger.clone(), &charter.issuer, lifetime, now)
            .await
            .map_err(OpenError::Issuers)?;
        let issuers = Arc::new(issuers);
        let workloads = charter.system_workloads.clone();
        let registry = Registry::open(ledger.clone(), members.clone(), workloads)
            .await
            .map_err(OpenError::Registry)?;
        let policy = Arc::new(charter.policy.clone());
        let minter = Minter::new(issuers.clone(), charter.parts.clone(), policy, keys.clone());
        let charter = Arc::new(charter);
        let refusals = Refusals::new(audit.clone());
        let gate = Gate::new(audit, refusals.clone());
        Ok(Self {
            charter,
            ports,
            keys,
            issuers,
            members,
            enrollment,
            registry,
            minter,
            ledger,
            refusals,
            gate,
        })
    }

    /// The value of `iss` at this moment.
    #[must_use]
    pub fn issuer(&self) -> IssuerUrl {
        self.issuers.list().current().clone()
    }

    /// The issuer of the moment and the previous ones.
    #[must_use]
    pub fn issuers(&self) -> &Arc<Issuers> {
        &self.issuers
    }

    /// What it is for.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The trust domain of its members.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.charter.parts.trust_domain
    }

    /// Where its records are.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.ports.store
    }

    /// Where it is recorded what happens.
    #[must_use]
    pub fn audit(&self) -> &dyn Audit {
        &*self.ports.audit
    }

    /// What records changes and makes them: nothing is changed in any other way.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The time now, for the edges.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.ports.clock.now()
    }

    /// The time now, if the clock can be trusted to sign and to retire keys with.
    pub fn sound_time(&self) -> Result<UnixTime, ClockFault> {
        self.ports.clock.sound()
    }

    /// A time that has certainly come, by which things are taken away.
    pub fn proven_time(&self) -> Result<UnixTime, ClockFault> {
        self.ports.clock.proven()
    }

    pub(crate) fn port_clock(&self) -> &dyn Clock {
        &*self.ports.clock
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Apps, sandboxes and their placement.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where members are invited, join and renew.
    #[must_use]
    pub fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }

    /// What relying parties are told now.
    #[must_use]
    pub fn published(&self) -> Published {
        Published::of(&self.keys.ring(), &self.issuers.list(), &self.charter.key_set_path)
    }

    /// Who holds this verified certificate.
    pub fn authenticate(&self, leaf: &PeerLeaf) -> Result<Caller, AuthenticateError> {
        self.members.authenticate(leaf, self.trust_domain(), self.now())
    }

    /// Removes a runner or a controller for good: its join tokens are withdrawn, its certificates refused
    /// and its watches ended.
    pub async fn remove_member(
        &self,
        by: &impl Places,
        kind: MemberKind,
        name: &str,
    ) -> Result<(), RemoveError> {
        let withdrawn = self.enrollment.withdraw(by, kind, name.to_owned()).await;
        withdrawn.map_err(RemoveError::JoinTokens)?;
        let removed = self.registry.remove_member(by, kind, name.to_owned()).await;
        removed.map_err(RemoveError::Member)
    }

    /// A token for a sandbox that is placed on this runner now.
    pub async fn mint(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        let permit = || self.registry.permit(runner, sandbox);
        let (by, holder) = (self.request(runner.actor()), Holder::Sandbox(sandbox.clone()));
        let drafted = permit().map_err(MintError::Registry).and_then(|permit| {
            let key = self.minting_key(&by)?;
            self.minter.draft(key, &permit, ask, by.now)
        });
        self.gate.pass(by, holder, drafted, || permit().map(drop)).await
    }

    /// Tokens for sandboxes that are placed on this runner now, in the order they are asked for. One
    /// refusal does not touch the others.
    pub async fn mint_all(
        &self,
        runner: &AuthenticatedRunner,
        asked: Vec<(SandboxId, Ask)>,
    ) -> Vec<Result<MintedToken, MintError>> {
        let by = self.request(runner.actor());
        let key = self.minting_key(&by).ok();
        let mut drafted = Vec::with_capacity(asked.len());
        let mut sandboxes = Vec::with_capacity(asked.len());
        for (sandbox, ask) in asked {
            let permit = self.registry.permit(runner, &sandbox).map_err(MintError::Registry);
            let draft = permit.and_then(|permit| {
                let key = key.clone().map_or_else(|| self.minting_key(&by), Ok)?;
                self.minter.draft(key, &permit, ask, by.now)
            });
            drafted.push((Holder::Sandbox(sandbox.clone()), draft));
            sandboxes.push(sandbox);
        }
        let permitted = |at: usize| {
            let sandbox = sandboxes.get(at).ok_or(RegistryError::NoSuchSandbox)?;
            self.registry.permit(runner, sandbox).map(drop)
        };
        self.gate.pass_all(by, drafted, permitted).await
    }

    /// A token for any sandbox, on behalf of whoever may place it.
    pub async fn mint_any(
        &self,
        by: &impl Places,
        sandbox: &SandboxId,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        let permit = || self.registry.permit_any(by, sandbox);
        let (by, holder) = (self.request(by.actor()), Holder::Sandbox(sandbox.clone()));
        let drafted = permit().map_err(MintError::Registry).and_then(|permit| {
            let key = self.minting_key(&by)?;
            self.minter.draft(key, &permit, ask, by.now)
        });
        self.gate.pass(by, holder, drafted, || permit().map(drop)).await
    }

    /// A token for a system workload that runs on this runner.
    pub async fn mint_system(
        &self,
        runner: &AuthenticatedRunner,
        workload: &SystemWorkloadName,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        let permit = || self.registry.permit_system(runner, workload);
        self.mint_permitted(runner.actor(), workload, ask, permit).await
    }

    /// A token for any system workload, on behalf of a controller or operator.
    pub async fn mint_system_any(
        &self,
        by: &impl Places,
        workload: &SystemWorkloadName,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        let permit = || self.registry.permit_system_any(by, workload);
        self.mint_permitted(by.actor(), workload, ask, permit).await
    }

    async fn mint_permitted(
        &self,
        who: Actor,
        workload: &SystemWorkloadName,
        ask: Ask,
        permit: impl Fn() -> Result<SystemPermit, RegistryError> + Send + Sync,
    ) -> Result<MintedToken, MintError> {
        let (by, holder) = (self.request(who), Holder::System(workload.clone()));
        let drafted = permit().map_err(MintError::Registry).and_then(|permit| {
            let key = self.minting_key(&by)?;
            self.minter.draft_system(key, &permit, ask, by.now)
        });
        self.gate.pass(by, holder, drafted, || permit().map(drop)).await
    }

    /// The key that signs, while the clock and the store can be trusted.
    fn minting_key(&self, by: &Request) -> Result<Arc<dyn SigningKey>, MintError> {
        let now = by.sound.map_err(MintError::Clock)?;
        self.ledger.check_witnesses().map_err(MintError::RolledBack)?;
        self.minter.signing_key(now)
    }

    fn request(&self, who: Actor) -> Request {
        // Read once: a clock that is set right between two readings would sign the wrong one.
        let sound = self.sound_time();
        let now = sound.unwrap_or_else(|_unsound| self.now());
        Request { who, now, sound }
    }

    /// Records that a known runner was refused a token at the edge: its request was not one, or beyond its
    /// share. What it may have is refused, and recorded, by the calls that mint.
    pub fn refused(&self, runner: &AuthenticatedRunner, class: ErrorClass, told: &str) {
        let refusal = (class.as_str(), crate::audit::bounded(told.to_owned()));
        self.refusals.note(&runner.actor(), None, refusal, self.now());
    }

    /// Records the refusals that were counted and whose minute is over, or all of them before the end.
    pub fn settle_refusals(&self, all: bool) {
        self.refusals.settle(self.now(), all);
    }
}

/// The cluster's own authority. Its trust domain is the cluster's for good: the configuration's is taken
/// where the operator named one, and must then be the same.
async fn open_cluster(
    charter: &mut Charter,
    store: &dyn Store,
    now: UnixTime,
) -> Result<ClusterAuthority, OpenError> {
    if !charter.trust_domain_is_named {
        let stored = ClusterAuthority::stored_trust_domain(store).await;
        if let Some(stored) = stored.map_err(OpenError::ClusterAuthority)? {
            charter.parts.trust_domain = stored;
        }
    }
    ClusterAuthority::open(store, &charter.parts.trust_domain, charter.certificates, now)
        .await
        .map_err(OpenError::ClusterAuthority)
}
