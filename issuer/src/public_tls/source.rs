//! Where the public listener's certificate comes from.

use std::sync::Arc;

use moneyer_authority::Authority;
use moneyer_authority::store::Store;
use moneyer_daemon::tls::ServerTls;
use moneyer_identity::UnixTime;

use super::PublicTlsError;
use super::acme::FromAcme;
use super::certificate::PublicCertificate;
use super::from_files::FromFiles;
use crate::config::Config;

/// Where the public listener's certificate comes from.
#[derive(Debug)]
pub(crate) enum PublicTls {
    /// Files that somebody else renews.
    Files(Box<FromFiles>),
    /// A server that issues it.
    Acme(Box<FromAcme>),
}

impl PublicTls {
    /// As the configuration says; `None` where it says plain HTTP.
    pub(crate) fn open(config: &Config) -> Result<Option<Self>, PublicTlsError> {
        if let Some(files) = FromFiles::open(config)? {
            return Ok(Some(Self::Files(Box::new(files))));
        }
        Ok(FromAcme::open(config)?.map(|acme| Self::Acme(Box::new(acme))))
    }

    /// Takes up what an earlier run has kept.
    pub(crate) async fn load(
        &mut self,
        store: Arc<dyn Store>,
        now: UnixTime,
    ) -> Result<(), PublicTlsError> {
        match self {
            Self::Files(_) => Ok(()),
            Self::Acme(acme) => acme.load(store, now).await.map_err(PublicTlsError::Record),
        }
    }

    /// What the listener serves with.
    pub(crate) fn tls(&self) -> &ServerTls {
        match self {
            Self::Files(files) => files.tls(),
            Self::Acme(acme) => acme.tls(),
        }
    }

    /// What is told of the certificate.
    pub(crate) fn certificate(&self) -> &PublicCertificate {
        match self {
            Self::Files(files) => files.certificate(),
            Self::Acme(acme) => acme.certificate(),
        }
    }

    /// Keeps the certificate fresh, for ever.
    pub(crate) async fn follow(self, authority: Authority) {
        match self {
            Self::Files(files) => files.follow(authority).await,
            Self::Acme(acme) => acme.follow(authority).await,
        }
    }
}
