//! The trust bundles as the coordinator said last, kept while it is away.
//!
//! The cluster's own bundle and those of the trust domains it trusts, each under its own name and never
//! pooled (Trust Domain and Bundle, section 3). Kept on disk (`bundles.json`), so that a proxy that starts
//! without its coordinator can validate as before. What is taken in is complete state: a trust domain that
//! is missing is trusted no more. A bundle that cannot be read is left out where it is a foreign one; an own
//! one that cannot be read changes nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_daemon::file;
use moneyer_identity::spiffe::{
    TrustBundle, TrustBundleError, TrustBundles, TrustDomain, TrustDomainError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why the bundles on disk could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BundlesError {
    /// The file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It does not hold bundles.
    #[error("{path} is damaged; move it away, it is made anew from what the coordinator says")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The own bundle in it is refused.
    #[error("{path} is damaged; move it away, it is made anew from what the coordinator says")]
    Own {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: OwnBundleError,
    },
}

/// Why what is said to be the own bundle is none.
#[derive(Debug, thiserror::Error)]
pub enum OwnBundleError {
    /// Its trust domain is none.
    #[error("the trust domain of the own bundle is not legal")]
    TrustDomain(#[source] TrustDomainError),
    /// The document is refused.
    #[error("the document of the own bundle is refused")]
    Document(#[source] TrustBundleError),
}

/// One bundle as it is told: the name of its trust domain, and its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToldBundle {
    pub(crate) trust_domain: String,
    pub(crate) document: String,
}

/// All that is told, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToldBundles {
    pub(crate) own: ToldBundle,
    pub(crate) federated: Vec<ToldBundle>,
}

/// What the Workload API hands out of each trust domain, of one kind. Two are the same exactly if nothing
/// changed between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BundleView(BTreeMap<TrustDomain, Vec<u8>>);

impl BundleView {
    /// The bytes of one trust domain.
    pub(crate) fn of(&self, trust_domain: &TrustDomain) -> Option<&[u8]> {
        self.0.get(trust_domain).map(Vec::as_slice)
    }

    /// Every trust domain and its bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TrustDomain, &[u8])> {
        self.0.iter().map(|(trust_domain, bytes)| (trust_domain, bytes.as_slice()))
    }
}

/// The bundles as they are known at one moment.
#[derive(Debug)]
pub(crate) struct Bundles {
    told: ToldBundles,
    all: TrustBundles,
    own: TrustDomain,
    x509: Arc<BundleView>,
    jwt: Arc<BundleView>,
}

impl Bundles {
    fn read(told: ToldBundles) -> Result<Self, OwnBundleError> {
        let own =
            TrustDomain::parse(&told.own.trust_domain).map_err(OwnBundleError::TrustDomain)?;
        let bundle = TrustBundle::parse(own.clone(), told.own.document.as_bytes())
            .map_err(OwnBundleError::Document)?;
        let mut all: TrustBundles =
            told.federated.iter().filter_map(|told| federated(told, &own)).collect();
        all.insert(bundle);
        // A foreign domain without certificates is left out: it would be an empty bundle.
        let x509 = all.iter().map(|bundle| (bundle.trust_domain().clone(), bundle.to_der()));
        let x509 = x509.filter(|(of, der)| *of == own || !der.is_empty()).collect();
        let jwt = all
            .iter()
            .map(|bundle| (bundle.trust_domain().clone(), bundle.to_workload_jwks().into_bytes()));
        let (x509, jwt) = (Arc::new(BundleView(x509)), Arc::new(BundleView(jwt.collect())));
        Ok(Self { told, all, own, x509, jwt })
    }

    /// The same with the views of `before` where they say the same, so that who follows one kind does not
    /// notice a change of the other.
    fn after(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before {
            if before.x509 == self.x509 {
                self.x509 = Arc::clone(&before.x509);
            }
            if before.jwt == self.jwt {
                self.jwt = Arc::clone(&before.jwt);
            }
        }
        self
    }

    /// The cluster's own trust domain.
    pub(crate) fn own(&self) -> &TrustDomain {
        &self.own
    }

    /// What SVIDs are validated with.
    pub(crate) fn all(&self) -> &TrustBundles {
        &self.all
    }

    /// The certificates of each trust domain, DER one after the other.
    pub(crate) fn x509(&self) -> &Arc<BundleView> {
        &self.x509
    }

    /// The JWK Set of each trust domain, with its JWT-SVID keys only.
    pub(crate) fn jwt(&self) -> &Arc<BundleView> {
        &self.jwt
    }
}

fn federated(told: &ToldBundle, own: &TrustDomain) -> Option<TrustBundle> {
    let refused = |cause: String| {
        tracing::warn!(
            trust_domain = told.trust_domain,
            error.cause = cause,
            "the bundle of a federated trust domain is refused; it is not trusted here"
        );
    };
    let trust_domain = TrustDomain::parse(&told.trust_domain)
        .inspect_err(|error| refused(crate::chain(error)))
        .ok()
        // Nobody else speaks for the own one.
        .filter(|trust_domain| trust_domain != own)?;
    TrustBundle::parse(trust_domain, told.document.as_bytes())
        .inspect_err(|error| refused(crate::chain(error)))
        .ok()
}

/// The bundles as they are known now. Shared by reference.
#[derive(Debug)]
pub(crate) struct KnownBundles {
    path: PathBuf,
    known: watch::Sender<Option<Arc<Bundles>>>,
}

impl KnownBundles {
    /// Reads what was known when the proxy last ran; nothing there is nothing known.
    pub(crate) fn read(path: &Path) -> Result<Self, BundlesError> {
        let path = path.to_owned();
        let known = match std::fs::read(&path) {
            Ok(bytes) => {
                let told = serde_json::from_slice(&bytes)
                    .map_err(|source| BundlesError::Parse { path: path.clone(), source })?;
                let bundles = Bundles::read(told)
                    .map_err(|source| BundlesError::Own { path: path.clone(), source })?;
                Some(Arc::new(bundles))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(BundlesError::Read { path, source }),
        };
        Ok(Self { path, known: watch::Sender::new(known) })
    }

    /// The bundles, as they change. `None`: the coordinator was never heard.
    pub(crate) fn follow(&self) -> watch::Receiver<Option<Arc<Bundles>>> {
        self.known.subscribe()
    }

    /// The bundles now.
    pub(crate) fn now(&self) -> Option<Arc<Bundles>> {
        self.known.borrow().clone()
    }

    /// Takes in what the coordinator says: complete state.
    pub(crate) fn take_in(&self, told: ToldBundles) -> Result<(), OwnBundleError> {
        let before = self.now();
        if before.as_ref().is_some_and(|before| before.told == told) {
            return Ok(());
        }
        let bundles = Bundles::read(told)?.after(before.as_deref());
        self.known.send_replace(Some(Arc::new(bundles)));
        Ok(())
    }

    /// Writes each change to disk until `stop`, and what is new then.
    pub(crate) async fn keep_on_disk(&self, stop: &CancellationToken) {
        let mut known = self.known.subscribe();
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                changed = known.changed() => changed.is_err(),
            };
            if stopped && !known.has_changed().unwrap_or(false) {
                return;
            }
            known.mark_unchanged();
            if let Err(error) = self.write().await {
                tracing::error!(%error, "the trust bundles could not be kept on disk");
            }
        }
    }

    async fn write(&self) -> io::Result<()> {
        let Some(bundles) = self.now() else { return Ok(()) };
        let bytes = serde_json::to_vec(&bundles.told).map_err(io::Error::other)?;
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || file::write_atomic(&path, &bytes, 0o600))
            .await
            .map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::bundles::{JWKS, told, with_authority};

    fn known(directory: &tempfile::TempDir) -> KnownBundles {
        KnownBundles::read(&directory.path().join("bundles.json")).unwrap()
    }

    #[tokio::test]
    async fn they_come_back_from_disk() {
        let state = tempfile::tempdir().unwrap();
        let bundles = known(&state);
        assert!(bundles.now().is_none());
        let told = ToldBundles {
            own: with_authority("id.test"),
            federated: vec![told("other.test", JWKS)],
        };
        bundles.take_in(told.clone()).unwrap();
        bundles.write().await.unwrap();
        let again = known(&state).now().unwrap();
        assert_eq!(again.told, told);
        assert_eq!(again.own().as_str(), "id.test");
        assert_eq!(again.jwt().iter().count(), 2);
        assert_eq!(again.x509().iter().count(), 1, "one without certificates is left out");
        std::fs::write(state.path().join("bundles.json"), "{").unwrap();
        let path = state.path().join("bundles.json");
        assert!(matches!(KnownBundles::read(&path), Err(BundlesError::Parse { .. })));
    }

    #[test]
    fn a_foreign_one_that_cannot_be_read_is_left_out_and_an_own_one_changes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let bundles = known(&state);
        let own = with_authority("id.test");
        let federated = vec![
            told("other.test", JWKS),
            told("broken.test", "{"),
            told("Not.legal", JWKS),
            told("id.test", JWKS),
        ];
        bundles.take_in(ToldBundles { own: own.clone(), federated }).unwrap();
        let before = bundles.now().unwrap();
        let names: Vec<_> = before.jwt().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id.test", "other.test"]);
        assert!(!before.x509().of(before.own()).unwrap().is_empty(), "nobody else speaks for it");
        for broken in [told("id.test", "[]"), told("", JWKS)] {
            bundles.take_in(ToldBundles { own: broken, federated: vec![] }).unwrap_err();
        }
        assert!(Arc::ptr_eq(&before, &bundles.now().unwrap()));
        bundles.take_in(ToldBundles { own, federated: vec![] }).unwrap();
        assert_eq!(bundles.now().unwrap().jwt().iter().count(), 1, "what is missing is withdrawn");
    }

    #[test]
    fn a_change_of_one_kind_is_none_of_the_other_and_no_change_is_none() {
        let state = tempfile::tempdir().unwrap();
        let bundles = known(&state);
        let own = with_authority("id.test");
        let mut told_now = ToldBundles { own, federated: vec![] };
        bundles.take_in(told_now.clone()).unwrap();
        let before = bundles.now().unwrap();
        let mut following = bundles.follow();
        following.mark_unchanged();
        bundles.take_in(told_now.clone()).unwrap();
        assert!(!following.has_changed().unwrap());
        told_now.federated.push(told("other.test", JWKS));
        bundles.take_in(told_now).unwrap();
        let after = bundles.now().unwrap();
        assert!(
            Arc::ptr_eq(before.x509(), after.x509()) && !Arc::ptr_eq(before.jwt(), after.jwt())
        );
    }
}
