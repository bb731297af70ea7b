//! The coordinator's configuration: one TOML file, one section a file here.
//!
//! Every key has a default or is required, is documented where it is declared (the schema is generated
//! from that), and can be overridden by `MONEYER__SECTION__KEY`. Unknown keys are errors. A value that
//! loads is typed; what needs several keys at once is checked by [`Config::load`], with the line of
//! the key to change.

mod acme;
mod audience;
mod audit;
mod charter;
mod enrollment;
mod exchange;
mod federation;
mod grants;
mod issuer;
mod keys;
mod limits;
mod listen;
mod login;
mod management;
mod publish;
mod seal;
mod signer;
mod spiffe;
mod store;
mod system_workload;
mod telemetry;
mod tokens;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acme::AcmeSection;
pub use audience::{AudienceSection, AwsSection};
pub use audit::AuditSection;
pub use enrollment::EnrollmentSection;
pub use exchange::{ExchangeSection, SourceSection, SubjectDomainSection, Verify};
pub use federation::FederationSection;
pub use grants::GrantsSection;
pub use issuer::{DocumentPath, DocumentPathError, IssuerSection};
pub use keys::{KeyAlgorithm, KeysSection};
pub use limits::LimitsSection;
pub use listen::{ListenSection, PublicPlain, PublicTlsSection};
pub use login::{LoginAlgorithm, LoginDomainSection, LoginSection};
pub use management::{ManagementSection, Role, ServiceAccountSection};
pub use publish::{BucketSection, PublishSection, ServerSection};
pub use seal::{AgeRecipient, AgeRecipientError, SealSection};
pub use signer::{
    Pkcs11Section, SignerBackend, SignerSection, VaultAppRoleSection, VaultKubernetesSection,
    VaultSection,
};
pub use spiffe::SpiffeSection;
pub use store::{StoreBackend, StoreSection};
pub use system_workload::SystemWorkloadSection;
pub use telemetry::{LogFormat, TelemetrySection};
pub use tokens::TokensSection;

/// The configuration of a coordinator.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this issuer is.
    pub issuer: IssuerSection,
    /// Where it listens.
    #[serde(default)]
    pub listen: ListenSection,
    /// What keys it signs with.
    #[serde(default)]
    pub keys: KeysSection,
    /// Who keeps the private keys of tokens.
    #[serde(default)]
    pub signer: SignerSection,
    /// What tokens may be asked for.
    #[serde(default)]
    pub tokens: TokensSection,
    /// Where records are kept.
    #[serde(default)]
    pub store: StoreSection,
    /// Where it is recorded what happens.
    #[serde(default)]
    pub audit: AuditSection,
    /// The key that records with secrets are sealed under.
    #[serde(default)]
    pub seal: SealSection,
    /// Copies of the public documents.
    #[serde(default)]
    pub publish: PublishSection,
    /// SPIFFE identities of the cluster.
    #[serde(default)]
    pub spiffe: SpiffeSection,
    /// Bundles of foreign trust domains.
    #[serde(default)]
    pub federation: FederationSection,
    /// Tokens on users' behalf.
    #[serde(default)]
    pub grants: GrantsSection,
    /// Token exchange.
    #[serde(default)]
    pub exchange: ExchangeSection,
    /// Log-in with SVIDs.
    #[serde(default)]
    pub login: LoginSection,
    /// Management by service accounts.
    #[serde(default)]
    pub management: ManagementSection,
    /// Certificates of the cluster's own mutual TLS.
    #[serde(default)]
    pub enrollment: EnrollmentSection,
    /// How much is done for whom.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Logs.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Audience profiles.
    #[serde(default, rename = "audience", skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<AudienceSection>,
    /// Parts of the platform that hold tokens of their own.
    #[serde(default, rename = "system_workload", skip_serializing_if = "Vec::is_empty")]
    pub system_workloads: Vec<SystemWorkloadSection>,
}
