//! Why a coordinator does not start.

use moneyer_authority::OpenError;
use moneyer_authority::enrollment::CertificateError;
use moneyer_authority::issuers::IssuersError;
use moneyer_authority::keys::KeysError;
use moneyer_daemon::listener::BindError;
use moneyer_daemon::tls::TlsError;

use crate::app::store::DatabaseUrlFileError;
use crate::documents::RenderError;
use crate::public_tls::PublicTlsError;
use crate::publish::SetUpError;

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store refused or is damaged.
    #[error(transparent)]
    Store(moneyer_store::OpenError),
    /// The store in the database refused, is damaged or cannot be reached.
    #[error(transparent)]
    Database(moneyer_store::PostgresError),
    /// It is not known where the database is.
    #[error(transparent)]
    DatabaseUrl(DatabaseUrlFileError),
    /// The directory for what the coordinator keeps for itself cannot be used.
    #[error("cannot use {path}")]
    OwnDirectory {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The audit log refused or is damaged.
    #[error(transparent)]
    Audit(moneyer_audit::OpenError),
    /// There is no key to seal with.
    #[error(transparent)]
    Seal(crate::seal::SealKeyError),
    /// The signing threads did not start.
    #[error("the signing threads could not be started")]
    Signer(#[source] std::io::Error),
    /// Vault cannot be asked with this configuration.
    #[error("the signer vault cannot be used")]
    Vault(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The authority did not come up.
    #[error(transparent)]
    Authority(OpenError),
    /// An accepted loss could not be recorded.
    #[error("the accepted loss could not be recorded")]
    Record(#[source] moneyer_authority::audit::AuditError),
    /// A latest time that was missing could not be recorded.
    #[error("it could not be recorded that the latest time seen was missing")]
    RecordMark(#[source] moneyer_authority::audit::AuditError),
    /// Another issuer's keys could not become this cluster's.
    #[error("the keys cannot be adopted")]
    AdoptKeys(#[source] KeysError),
    /// Another system's issuers could not become this cluster's.
    #[error("the issuers cannot be adopted")]
    AdoptIssuers(#[source] IssuersError),
    /// An address could not be had.
    #[error(transparent)]
    Bind(BindError),
    /// The coordinator's own certificate could not be made.
    #[error("the coordinator's own certificate could not be made")]
    Certificate(#[source] CertificateError),
    /// The coordinator's own certificate could not be used.
    #[error("the coordinator's own certificate could not be used")]
    Tls(#[source] TlsError),
    /// Copies of the public documents cannot be made with this configuration.
    #[error("copies of the public documents cannot be made")]
    Publish(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The public listener has no certificate that it could show.
    #[error(transparent)]
    PublicTls(PublicTlsError),
    /// An API server could not be asked about anything.
    #[error(
        "no API server could be asked about tokens: is `ca_file` of the cluster a PEM file of certificates?"
    )]
    ApiServer(#[source] moneyer_daemon::outbound::OutboundError),
    /// A file with roots for token services cannot be read.
    #[error("cannot read {path}, which grants.roots names")]
    Roots {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Token services cannot be asked with the roots that are named.
    #[error("the files of grants.roots cannot be used")]
    TokenServices(#[source] moneyer_daemon::outbound::OutboundError),
    /// The public documents could not be rendered.
    #[error("the public documents could not be rendered")]
    Documents(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<SetUpError> for StartError {
    fn from(error: SetUpError) -> Self {
        Self::Publish(Box::new(error))
    }
}

impl From<RenderError> for StartError {
    fn from(error: RenderError) -> Self {
        Self::Documents(Box::new(error))
    }
}
