//! A small cluster in memory, and the words the tests speak of it.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::audiences::AudiencePolicy;
use moneyer_authority::audit::Ledger;
use moneyer_authority::enrollment::{
    AuthenticatedOperator, AuthenticatedRunner, Caller, Certificate, EnrollmentError, LocalPeer,
    PeerLeaf, Principal,
};
use moneyer_authority::exchange::SubjectSources;
use moneyer_authority::keys::{KeyKinds, Schedule};
use moneyer_authority::login::LoginPlan;
use moneyer_authority::registry::{
    App, AppChange, EndingChange, RegistryError, Sandbox, SystemWorkload,
};
use moneyer_authority::signer::{KeyKind, Signer};
use moneyer_authority::store::{Collection, Generation, Store, Stored};
use moneyer_authority::svid::X509Plan;
use moneyer_authority::{Authority, Charter, OpenError, Ports};
use moneyer_identity::spiffe::{SpiffeIdTemplate, TrustDomain};
use moneyer_identity::{
    AppName, Audience, Clock as _, ClusterId, ControllerName, IssuerUrl, Lifetime, LifetimeRange,
    OrganizationId, RunnerId, SandboxId, SubjectParts, SystemWorkloadName, UnixTime,
};
use moneyer_testkit::audit::MemoryAudit;
use moneyer_testkit::signer::{FixtureSigner, FreshSigner};
use moneyer_testkit::store::{MemoryPlace, MemoryStore};
use moneyer_testkit::{ManualClock, MemberRequest};

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A cluster whose store can be opened again.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) audit: MemoryAudit,
    pub(crate) clock: ManualClock,
    pub(crate) authority: Authority,
    signer: Arc<dyn Signer>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::chartered(charter()).await
    }

    pub(crate) async fn chartered(charter: Charter) -> Self {
        Self::with(charter, MemoryStore::default(), Arc::new(FixtureSigner::default())).await
    }

    /// One whose store holds something already.
    pub(crate) async fn of(store: MemoryStore) -> Self {
        Self::with(charter(), store, Arc::new(FixtureSigner::default())).await
    }

    /// One whose keys are used this way.
    pub(crate) async fn signing(charter: Charter, signer: Arc<dyn Signer>) -> Self {
        Self::with(charter, MemoryStore::default(), signer).await
    }

    /// One that makes as many keys as it takes.
    pub(crate) async fn of_many_keys() -> Self {
        Self::of_many_keys_as(charter()).await
    }

    /// The same under another configuration.
    pub(crate) async fn of_many_keys_as(charter: Charter) -> Self {
        Self::with(charter, MemoryStore::default(), Arc::new(FreshSigner)).await
    }

    /// One coordinator of several that share a place.
    pub(crate) async fn sharing(place: &MemoryPlace, name: &str, clock: &ManualClock) -> Self {
        Self::sharing_as(place, name, clock, (charter(), Arc::new(FreshSigner))).await
    }

    /// The same under another configuration, whose keys are opened this way.
    pub(crate) async fn sharing_as(
        place: &MemoryPlace,
        name: &str,
        clock: &ManualClock,
        (charter, signer): (Charter, Arc<dyn Signer>),
    ) -> Self {
        let audit = MemoryAudit::default();
        let ports = ports(place.replica(name), &audit, clock, &signer);
        let authority = Authority::open(charter, ports).await.unwrap();
        Self { store: MemoryStore::default(), audit, clock: clock.clone(), authority, signer }
    }

    async fn with(charter: Charter, store: MemoryStore, signer: Arc<dyn Signer>) -> Self {
        let (audit, clock) = (MemoryAudit::default(), ManualClock::default());
        let ports = ports(Arc::new(store.clone()), &audit, &clock, &signer);
        let authority = Authority::open(charter, ports).await.unwrap();
        Self { store, audit, clock, authority, signer }
    }

    /// What a restarted coordinator makes of the same store.
    pub(crate) async fn reopened(&self) -> Authority {
        self.reopened_as(charter()).await
    }

    /// The same under another configuration.
    pub(crate) async fn reopened_as(&self, charter: Charter) -> Authority {
        self.on(charter, Arc::new(self.store.clone())).await
    }

    /// The same, if it comes up.
    pub(crate) async fn try_reopened_as(&self, charter: Charter) -> Result<Authority, OpenError> {
        let store = Arc::new(self.store.clone());
        Authority::open(charter, ports(store, &self.audit, &self.clock, &self.signer)).await
    }

    /// The same on a store that behaves otherwise.
    pub(crate) async fn on(&self, charter: Charter, store: Arc<dyn Store>) -> Authority {
        let ports = ports(store, &self.audit, &self.clock, &self.signer);
        Authority::open(charter, ports).await.unwrap()
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(crate) async fn put_app(&self, name: &str) -> Arc<App> {
        self.put_app_limited(name, &[]).await
    }

    pub(crate) async fn put_app_limited(&self, name: &str, audiences: &[&str]) -> Arc<App> {
        let audiences = audiences.iter().map(|text| audience(text)).collect();
        let change = AppChange {
            name: app(name),
            audiences,
            accounts: None,
            spiffe_ending: EndingChange::AsBefore,
        };
        self.authority.put_app(&operator(), change).await.unwrap()
    }

    pub(crate) async fn place(&self, id: &str, app: &str, runner: &str) -> Generation {
        self.try_place(id, app, runner).await.unwrap()
    }

    pub(crate) async fn try_place(
        &self,
        id: &str,
        app: &str,
        runner: &str,
    ) -> Result<Generation, RegistryError> {
        let sandbox = placement(id, app, runner, self.now());
        self.authority.registry().put_sandbox(&operator(), sandbox).await
    }

    pub(crate) async fn take_away(&self, id: &str) -> Generation {
        self.authority.registry().remove_sandbox(&operator(), sandbox(id)).await.unwrap()
    }

    /// Invites a runner and lets it join.
    pub(crate) async fn join(&self, name: &str) -> (AuthenticatedRunner, PeerLeaf) {
        let certificate = self.join_as(Principal::Runner(runner(name))).await;
        let leaf = PeerLeaf::parse(&certificate.der).unwrap();
        let Caller::Runner(runner) = self.authority.authenticate(&leaf).unwrap() else {
            panic!("a runner joined as something else");
        };
        (runner, leaf)
    }

    pub(crate) async fn join_as(&self, principal: Principal) -> Certificate {
        let token = self
            .authority
            .enrollment()
            .invite(&operator(), principal, HOUR, self.now())
            .await
            .unwrap();
        self.present(token.expose()).await.unwrap()
    }

    /// Presents a join token with a new key.
    pub(crate) async fn present(&self, token: &str) -> Result<Certificate, EnrollmentError> {
        let request = MemberRequest::p256().der;
        self.authority.enrollment().join(token, request, self.now()).await
    }

    /// Renews with this certificate and a new key.
    pub(crate) async fn renew(&self, leaf: &PeerLeaf) -> Result<PeerLeaf, EnrollmentError> {
        let caller = self.authority.authenticate(leaf).unwrap();
        let request = MemberRequest::p256().der;
        let enrollment = self.authority.enrollment();
        let certificate = enrollment.renew(caller, leaf.clone(), request, self.now()).await?;
        Ok(PeerLeaf::parse(&certificate.der).unwrap())
    }

    pub(crate) async fn remove_runner(&self, name: &str) {
        let kind = moneyer_authority::enrollment::MemberKind::Runner;
        let registry = self.authority.registry();
        registry.remove_member(&operator(), kind, name.to_owned()).await.unwrap();
    }

    pub(crate) async fn stored(&self, collection: Collection) -> Vec<Stored> {
        stored(&self.store, collection).await
    }
}

pub(crate) async fn open(
    charter: Charter,
    store: Arc<dyn Store>,
    clock: &ManualClock,
) -> Result<Authority, OpenError> {
    let signer: Arc<dyn Signer> = Arc::new(FixtureSigner::default());
    Authority::open(charter, ports(store, &MemoryAudit::default(), clock, &signer)).await
}

/// Records in a log of its own.
pub(crate) fn ledger(store: &MemoryStore) -> Ledger {
    let (audit, clock) = (MemoryAudit::default(), ManualClock::default());
    Ledger::new(Arc::new(store.clone()), Arc::new(audit), Arc::new(clock))
}

fn ports(
    store: Arc<dyn Store>,
    audit: &MemoryAudit,
    clock: &ManualClock,
    signer: &Arc<dyn Signer>,
) -> Ports {
    let (audit, clock) = (Arc::new(audit.clone()), Arc::new(clock.clone()));
    Ports { store, signer: signer.clone(), audit, clock }
}

/// One audience at a time, `moneyer` by default, 60 s to 24 h, two system workloads of which one runs
/// on runners.
pub(crate) fn charter() -> Charter {
    Charter {
        issuer: issuer(),
        parts: SubjectParts {
            organization: Some(OrganizationId::parse("acme").unwrap()),
            cluster: Some(ClusterId::parse("prod-1").unwrap()),
            trust_domain: TrustDomain::parse("id.example.com").unwrap(),
        },
        spiffe_ids: SpiffeIdTemplate::default(),
        key_set_path: "/.well-known/jwks.json".to_owned(),
        policy: AudiencePolicy::new(&issuer(), audience("moneyer"), day(), 1, Vec::new()).unwrap(),
        system_workloads: vec![
            SystemWorkload { name: workload("telemetry"), on_runners: true },
            SystemWorkload { name: workload("backup"), on_runners: false },
        ],
        key_kinds: KeyKinds::only(KeyKind::P256),
        x5c: false,
        maximum_bundle_age: DAY,
        schedule: schedule(),
        x509: x509_plan(),
        subject_sources: SubjectSources::default(),
        subject_domains: moneyer_authority::exchange::SubjectDomains::default(),
        management: moneyer_authority::management::ManagementPlan::default(),
        assertion_audiences: Vec::new(),
        login: LoginPlan::new(Lifetime::from_seconds(900), Vec::new()).unwrap(),
        certificates: moneyer_authority::enrollment::CertificateLifetimes::default(),
        trust_domain_is_named: true,
    }
}

/// A round a month, a day of publication before use, caches of an hour, tokens of a day.
pub(crate) fn schedule() -> Schedule {
    Schedule::new(30 * DAY, DAY, HOUR, DAY).unwrap()
}

/// SVIDs of an hour, a round a month, a day in the bundle before use.
pub(crate) fn x509_plan() -> X509Plan {
    X509Plan::new(HOUR, 30 * DAY, DAY).unwrap()
}

pub(crate) async fn stored(store: &dyn Store, collection: Collection) -> Vec<Stored> {
    let mut records = Vec::new();
    let mut receive = |record| {
        records.push(record);
        Ok(())
    };
    store.load(collection, &mut receive).await.unwrap();
    records
}

pub(crate) fn operator() -> AuthenticatedOperator {
    LocalPeer { uid: 0 }.authenticate(1000, &[]).unwrap()
}

pub(crate) fn placement(id: &str, of: &str, on: &str, placed_at: UnixTime) -> Sandbox {
    Sandbox { id: sandbox(id), app: app(of), runner: runner(on), role: None, placed_at }
}

/// 60 s to 24 h, an hour unasked.
pub(crate) fn day() -> LifetimeRange {
    let of = Lifetime::from_seconds;
    LifetimeRange::new(of(60), of(3600), of(86_400)).unwrap()
}

pub(crate) fn issuer() -> IssuerUrl {
    IssuerUrl::parse(ISSUER).unwrap()
}

pub(crate) fn audience(text: &str) -> Audience {
    Audience::parse(text).unwrap()
}

pub(crate) fn app(name: &str) -> AppName {
    AppName::parse(name).unwrap()
}

pub(crate) fn sandbox(id: &str) -> SandboxId {
    SandboxId::parse(id).unwrap()
}

pub(crate) fn runner(id: &str) -> RunnerId {
    RunnerId::parse(id).unwrap()
}

pub(crate) fn controller(name: &str) -> ControllerName {
    ControllerName::parse(name).unwrap()
}

pub(crate) fn workload(name: &str) -> SystemWorkloadName {
    SystemWorkloadName::parse(name).unwrap()
}
