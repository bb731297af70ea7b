//! What is known of a federation at one moment.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, TrustBundle, TrustBundles};

use super::acceptance::Notice;
use super::endpoint::{EndpointProfile, Federation};

/// A bundle that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The bundle.
    pub bundle: Arc<TrustBundle>,
    /// When it was seen last.
    pub at: UnixTime,
    /// Whether the server's next certificate is known by it.
    pub(super) proves_server: bool,
    /// What is odd about it.
    pub notice: Option<Notice>,
}

/// What came of a try to fetch, for who looks after it. Not kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// When.
    pub at: UnixTime,
    /// Why there is nothing new, if that is so.
    pub failure: Option<String>,
    /// When the next one is.
    pub next_at: UnixTime,
}

/// How it stands with the bundle of a federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In force.
    InForce,
    /// Not yet fetched.
    Waiting,
    /// Too old to be trusted.
    TooOld,
}

impl Standing {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Waiting => "waiting",
            Self::TooOld => "too_old",
        }
    }
}

/// How a server is known, with all it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// By its name, under these roots (PEM) or those that this machine trusts.
    Web(Option<String>),
    /// By its SPIFFE ID, under the bundle of that id's trust domain.
    Spiffe(SpiffeId, TrustBundles),
}

/// A federation, and what is known of its bundle.
#[derive(Debug, Clone)]
pub struct Known {
    /// What an operator said.
    pub federation: Federation,
    /// What was fetched last.
    pub fetched: Option<Fetched>,
    /// The last try.
    pub trial: Option<Trial>,
    /// The bundle to begin with.
    pub(super) bootstrap: Option<Arc<TrustBundle>>,
}

impl Known {
    pub(super) fn new(federation: Federation, fetched: Option<Fetched>) -> Self {
        let bootstrap = federation.bootstrap().map(Arc::new);
        Self { federation, fetched, trial: None, bootstrap }
    }

    /// Whether the other is of the same bundle, whenever it was seen.
    pub(super) fn has_the_bundle_of(&self, other: &Self) -> bool {
        let bundle = |known: &Self| known.fetched.as_ref().map(|fetched| fetched.bundle.clone());
        bundle(self) == bundle(other)
    }

    /// How it stands with its bundle.
    #[must_use]
    pub fn standing(&self, now: UnixTime, maximum_age: Duration) -> Standing {
        match &self.fetched {
            None => Standing::Waiting,
            Some(fetched) if now.since(fetched.at) < maximum_age => Standing::InForce,
            Some(_) => Standing::TooOld,
        }
    }

    /// How the server is known now: by the newest bundle of it, even where that is too old to be trusted for
    /// anything else (section 5.2.2), and else by the one to begin with. `others` are the bundles of the
    /// trust domains that the server may be of instead.
    #[must_use]
    pub fn server(&self, others: &TrustBundles) -> Told {
        match &self.federation.endpoint {
            EndpointProfile::HttpsWeb { roots } => Told::Web(roots.clone()),
            EndpointProfile::HttpsSpiffe { endpoint_id, .. } => {
                let of = endpoint_id.trust_domain();
                let newest = self.fetched.as_ref().filter(|fetched| fetched.proves_server);
                let own = newest.map(|fetched| &fetched.bundle).or(self.bootstrap.as_ref());
                let bundle =
                    if *of == self.federation.trust_domain { own } else { others.find(of) };
                let mut bundles = TrustBundles::default();
                if let Some(bundle) = bundle {
                    bundles.insert(Arc::clone(bundle));
                }
                Told::Spiffe(endpoint_id.clone(), bundles)
            }
        }
    }
}
