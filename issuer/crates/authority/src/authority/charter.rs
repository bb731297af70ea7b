//! What an authority is for, and what it is built on.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::spiffe::SpiffeIdTemplate;
use moneyer_identity::{Audience, Clock, IssuerUrl, SubjectParts};

use crate::audiences::AudiencePolicy;
use crate::audit::Audit;
use crate::enrollment::CertificateLifetimes;
use crate::exchange::{SubjectDomains, SubjectSources};
use crate::keys::{KeyKinds, KeyPlan, Schedule};
use crate::login::LoginPlan;
use crate::management::ManagementPlan;
use crate::registry::SystemWorkload;
use crate::signer::Signer;
use crate::store::Store;
use crate::svid::X509Plan;

/// What an authority is for.
#[derive(Debug, Clone)]
pub struct Charter {
    /// The value of `iss` at the first start. Afterwards the store knows it; see [`Issuers`](crate::issuers::Issuers).
    pub issuer: IssuerUrl,
    /// Whether the trust domain was named by the operator. Otherwise an existing cluster keeps its own,
    /// whatever the issuer's host is now.
    pub trust_domain_is_named: bool,
    /// What subjects are joined from.
    pub parts: SubjectParts,
    /// How the SPIFFE IDs of sandboxes are written.
    pub spiffe_ids: SpiffeIdTemplate,
    /// Path of the key set under the issuer, beginning with a slash.
    pub key_set_path: String,
    /// Which audiences may be asked for, with the profiles of the configuration.
    pub policy: AudiencePolicy,
    /// The closed list of system workloads.
    pub system_workloads: Vec<SystemWorkload>,
    /// What keys to make.
    pub key_kinds: KeyKinds,
    /// Whether keys are published with a certificate over each (`x5c`).
    pub x5c: bool,
    /// When keys change.
    pub schedule: Schedule,
    /// How long X.509-SVIDs live, and when their authorities change.
    pub x509: X509Plan,
    /// How long the bundle of a federated trust domain is trusted that cannot be fetched anew.
    pub maximum_bundle_age: Duration,
    /// Whose tokens are taken in exchange.
    pub subject_sources: SubjectSources,
    /// The trust domains whose JWT-SVIDs are taken in exchange.
    pub subject_domains: SubjectDomains,
    /// Whose workloads may log in.
    pub login: LoginPlan,
    /// The audiences of the coordinator's own assertions, beside those that name the server they are shown to.
    pub assertion_audiences: Vec<Audience>,
    /// Which service accounts may manage.
    pub management: ManagementPlan,
    /// How long the cluster's own certificates live.
    pub certificates: CertificateLifetimes,
}

impl Charter {
    /// What keys to make, and how they are published.
    pub(super) fn key_plan(&self) -> KeyPlan {
        KeyPlan { kinds: self.key_kinds, x5c: self.x5c }
    }
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
