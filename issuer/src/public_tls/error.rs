//! Why the public listener has no TLS to begin with.

use std::io;
use std::path::PathBuf;

use moneyer_authority::store::StoreError;
use moneyer_daemon::outbound::OutboundError;
use moneyer_daemon::tls::{TlsError, TlsFilesError};

/// Why the public listener has no certificate to begin with.
#[derive(Debug, thiserror::Error)]
pub enum PublicTlsError {
    /// The files are no pair that could be used.
    #[error("{setting}")]
    Files {
        /// The setting to look at.
        setting: &'static str,
        /// What is wrong.
        #[source]
        source: TlsFilesError,
    },
    /// TLS does not take the certificate.
    #[error("the public listener's TLS cannot be set up")]
    Tls(#[source] TlsError),
    /// The file of roots could not be read.
    #[error("listen.acme.root_ca: cannot read {path}")]
    RootFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The roots are none.
    #[error("listen.acme.root_ca")]
    Roots(#[source] OutboundError),
    /// What is kept of the certificate cannot be read.
    #[error(transparent)]
    Record(StoreError),
}
