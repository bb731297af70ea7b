//! How an authority comes up: everything is loaded into memory, and what a new cluster lacks is made.

use std::sync::Arc;

use moneyer_identity::spiffe::TrustBundle;
use moneyer_identity::{ForeignKeys, UnixTime};

use super::charter::{Charter, Ports};
use super::following::Following;
use crate::audiences::{AudiencesError, Profiles};
use crate::audit::{Ledger, Refusals};
use crate::enrollment::{ClusterAuthority, Enrollment, Member, Members};
use crate::exchange::{Mappings, MappingsError, SpentProofs};
use crate::federation::{Federations, FederationsError};
use crate::fetched_keys::FetchedKeys;
use crate::following::Standing;
use crate::issuers::{Issuers, IssuersError};
use crate::keys::{Keys, KeysError};
use crate::login::{Policies, PoliciesError};
use crate::mint::{Gate, Minter};
use crate::providers::{Providers, ProvidersError};
use crate::registry::{Registry, RegistryError, SpiffeIds};
use crate::shared_store::Turn;
use crate::store::{Store, StoreError, load_records};
use crate::svid::X509Authorities;
use crate::trust_bundle::{BundleError, OwnBundle};

/// Why an authority does not come up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store does not give the turn to come up.
    #[error("the store that several coordinators share does not let this one come up")]
    Turn(#[source] StoreError),
    /// The cluster's own authority cannot be loaded or made.
    #[error("the cluster's certificate authority cannot be loaded")]
    ClusterAuthority(#[source] StoreError),
    /// The members or join tokens cannot be loaded.
    #[error("the members cannot be loaded")]
    Members(#[source] StoreError),
    /// The signing keys cannot be loaded or made.
    #[error("the signing keys cannot be loaded")]
    Keys(#[source] KeysError),
    /// The trust bundle cannot be loaded.
    #[error("the trust bundle cannot be loaded")]
    Bundle(#[source] BundleError),
    /// The authorities of X.509-SVIDs cannot be loaded or made.
    #[error("the authorities of X.509-SVIDs cannot be loaded")]
    X509Authorities(#[source] KeysError),
    /// The federations cannot be loaded.
    #[error("the federations cannot be loaded")]
    Federations(#[source] FederationsError),
    /// The issuers cannot be loaded, or the configuration names another.
    #[error("the issuer cannot be taken up")]
    Issuers(#[source] IssuersError),
    /// The audience profiles cannot be loaded, or contradict the configuration.
    #[error("the audience profiles cannot be loaded")]
    Audiences(#[source] AudiencesError),
    /// The mappings and scopes cannot be loaded.
    #[error("the mappings and scopes cannot be loaded")]
    Mappings(#[source] MappingsError),
    /// The policies cannot be loaded.
    #[error("the policies cannot be loaded")]
    Policies(#[source] PoliciesError),
    /// The profiles and providers cannot be loaded.
    #[error("the provider profiles and providers cannot be loaded")]
    Providers(#[source] ProvidersError),
    /// The apps or sandboxes cannot be loaded.
    #[error("the apps and sandboxes cannot be loaded")]
    Registry(#[source] RegistryError),
}

/// Keys, members, placements and minting of one cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authority {
    pub(super) charter: Arc<Charter>,
    pub(super) ports: Ports,
    pub(super) keys: Arc<Keys>,
    pub(super) x509: Arc<X509Authorities>,
    pub(super) issuers: Arc<Issuers>,
    pub(super) members: Arc<Members>,
    pub(super) enrollment: Enrollment,
    pub(super) registry: Registry,
    pub(super) profiles: Arc<Profiles>,
    pub(super) bundle: Arc<OwnBundle>,
    pub(super) federations: Arc<Federations>,
    pub(super) mappings: Arc<Mappings>,
    pub(super) spent: Arc<SpentProofs>,
    pub(super) source_keys: Arc<FetchedKeys<ForeignKeys>>,
    pub(super) policies: Arc<Policies>,
    pub(super) login_keys: Arc<FetchedKeys<TrustBundle>>,
    pub(super) providers: Arc<Providers>,
    pub(super) spiffe_ids: SpiffeIds,
    pub(super) minter: Minter,
    pub(super) ledger: Ledger,
    pub(super) refusals: Refusals,
    pub(super) gate: Gate,
    pub(super) following: Arc<Following>,
}

impl Authority {
    /// Loads everything into memory; makes the first key and the cluster's own authority where there
    /// are none.
    pub async fn open(mut charter: Charter, ports: Ports) -> Result<Self, OpenError> {
        let Ports { store, signer, audit, clock } = ports.clone();
        let now = clock.now();
        let (ledger, opening) = open_ledger(&charter, &ports).await?;
        // What others change while everything is loaded is told once more.
        let following = Arc::new(Following::from(store.generation()));
        let cluster_authority = open_cluster(&mut charter, &*store, now).await?;
        let records = load_records::<Member>(&*store).await.map_err(OpenError::Members)?;
        let members = Arc::new(Members::new(records));
        let enrollment = Enrollment::open(ledger.clone(), members.clone(), cluster_authority)
            .await
            .map_err(OpenError::Members)?;
        // Before the keys: a line that a stored profile asks for does not end by a start that is refused.
        let (policy, kinds) = (charter.policy.clone(), charter.key_kinds);
        let profiles = Profiles::open(ledger.clone(), policy, kinds).await;
        let profiles = Arc::new(profiles.map_err(OpenError::Audiences)?);
        let keys = Keys::open(ledger.clone(), signer, charter.key_plan(), charter.schedule, now)
            .await
            .map_err(OpenError::Keys)?;
        let keys = Arc::new(keys);
        let trust_domain = charter.parts.trust_domain.clone();
        let federations = open_federations(&ledger, &charter, now).await?;
        let x509 =
            X509Authorities::open(ledger.clone(), charter.x509, trust_domain.clone(), now).await;
        let x509 = Arc::new(x509.map_err(OpenError::X509Authorities)?);
        let bundle =
            OwnBundle::open(ledger.clone(), trust_domain, keys.clone(), x509.clone()).await;
        let bundle = Arc::new(bundle.map_err(OpenError::Bundle)?);
        let lifetime = charter.schedule.maximum_lifetime();
        let issuers = Issuers::open(ledger.clone(), &charter.issuer, lifetime, now)
            .await
            .map_err(OpenError::Issuers)?;
        let issuers = Arc::new(issuers);
        let mappings = Mappings::open(ledger.clone()).await;
        let mappings = Arc::new(mappings.map_err(OpenError::Mappings)?);
        let spent = Arc::new(SpentProofs::new(ledger.clone()));
        let source_keys = Arc::new(FetchedKeys::new(charter.maximum_bundle_age));
        let policies = open_policies(&ledger).await?;
        let login_keys = Arc::new(FetchedKeys::new(charter.maximum_bundle_age));
        let providers = open_providers(&ledger).await?;
        let workloads = charter.system_workloads.clone();
        let registry = Registry::open(ledger.clone(), members.clone(), workloads)
            .await
            .map_err(OpenError::Registry)?;
        let spiffe_ids =
            SpiffeIds::new(charter.parts.trust_domain.clone(), charter.spiffe_ids.clone());
        let minter = Minter::new(
            issuers.clone(),
            (charter.parts.clone(), spiffe_ids.clone()),
            profiles.clone(),
            keys.clone(),
        );
        let charter = Arc::new(charter);
        let refusals = Refusals::new(audit.clone());
        let gate = Gate::new(audit, refusals.clone(), keys.clone());
        drop(opening);
        Ok(Self {
            charter,
            ports,
            keys,
            x509,
            issuers,
            members,
            enrollment,
            registry,
            profiles,
            bundle,
            federations,
            mappings,
            spent,
            source_keys,
            policies,
            login_keys,
            providers,
            spiffe_ids,
            minter,
            ledger,
            refusals,
            gate,
            following,
        })
    }
}

/// What records changes and makes them, and the turn to come up where others share the store: what a new cluster
/// lacks is made by one of them.
async fn open_ledger(
    charter: &Charter,
    ports: &Ports,
) -> Result<(Ledger, Option<Box<dyn Turn>>), OpenError> {
    let Ports { store, audit, clock, .. } = ports.clone();
    let ledger = Ledger::new(store.clone(), audit, clock.clone());
    let Some(shared) = store.shared() else { return Ok((ledger, None)) };
    let turn = shared.turn_to_open().await.map_err(OpenError::Turn)?;
    // Waited for from before it loads the keys: it may serve them however late it says so again.
    shared.report(store.generation()).await.map_err(OpenError::Turn)?;
    let standing = Arc::new(Standing::for_schedule(&charter.schedule, clock));
    Ok((ledger.shared(standing), Some(turn)))
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

async fn open_policies(ledger: &Ledger) -> Result<Arc<Policies>, OpenError> {
    let opened = Policies::open(ledger.clone()).await;
    Ok(Arc::new(opened.map_err(OpenError::Policies)?))
}

async fn open_providers(ledger: &Ledger) -> Result<Arc<Providers>, OpenError> {
    let opened = Providers::open(ledger.clone()).await;
    Ok(Arc::new(opened.map_err(OpenError::Providers)?))
}

async fn open_federations(
    ledger: &Ledger,
    charter: &Charter,
    now: UnixTime,
) -> Result<Arc<Federations>, OpenError> {
    let own = charter.parts.trust_domain.clone();
    let age = charter.maximum_bundle_age;
    let opened = Federations::open(ledger.clone(), own, age, now).await;
    Ok(Arc::new(opened.map_err(OpenError::Federations)?))
}
