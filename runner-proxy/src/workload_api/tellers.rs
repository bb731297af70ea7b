//! What each stream tells, and when it is something new.

use std::sync::Arc;

use moneyer_proto::workload::{JwtBundlesResponse, X509BundlesResponse, X509svidResponse};

use super::answers;
use super::follow::{Look, Sources, Teller};
use super::status::Refusal;
use crate::coordinator::{BundleView, Bundles};
use crate::svid::{Subject, X509Svid};

/// The SVID and its bundles.
pub(super) struct X509SvidTeller {
    /// Attempts at an SVID before this stream: the failure of an older one is no answer to it.
    pub(super) asked_after: u64,
    pub(super) told: Option<(Arc<X509Svid>, Arc<BundleView>)>,
}

/// Every domain's certificates.
#[derive(Default)]
pub(super) struct X509BundleTeller {
    told: Option<Arc<BundleView>>,
}

/// Every domain's JWK Set.
#[derive(Default)]
pub(super) struct JwtBundleTeller {
    told: Option<Arc<BundleView>>,
}

impl X509SvidTeller {
    fn svid<M>(&self, sources: &Sources) -> Result<Arc<X509Svid>, Look<M>> {
        let id = match sources.keeper.subject().now() {
            Subject::Of(id) => id,
            Subject::Nobody => return Err(Look::Never(Refusal::NoIdentity)),
            Subject::Unknown => return Err(Look::Never(Refusal::Starting)),
        };
        let Some(stock) = sources.stock.as_ref().map(|stock| stock.borrow().clone()) else {
            return Err(Look::Never(Refusal::Late));
        };
        // One for another id is about to be replaced.
        let living = sources.keeper.living(&stock).filter(|svid| svid.id == id);
        living.ok_or_else(|| match stock.failure {
            Some(failure) if stock.attempts > self.asked_after => Look::Never(failure.into()),
            _ => not_yet(sources),
        })
    }
}

impl Teller for X509SvidTeller {
    type Message = X509svidResponse;

    fn look(&mut self, sources: &Sources) -> Look<X509svidResponse> {
        let svid = match self.svid(sources) {
            Ok(svid) => svid,
            Err(look) => return look,
        };
        let bundles = match bundles(sources) {
            Ok(bundles) => bundles,
            Err(look) => return look,
        };
        let is_told = self.told.as_ref().is_some_and(|(last, view)| {
            Arc::ptr_eq(last, &svid) && Arc::ptr_eq(view, bundles.x509())
        });
        if is_told {
            return Look::Same;
        }
        let Some(message) = answers::x509_svid(&svid, &bundles) else { return not_yet(sources) };
        self.told = Some((svid, Arc::clone(bundles.x509())));
        Look::Told(message)
    }
}

impl Teller for X509BundleTeller {
    type Message = X509BundlesResponse;

    fn look(&mut self, sources: &Sources) -> Look<X509BundlesResponse> {
        let bundles = match bundles(sources) {
            Ok(bundles) => bundles,
            Err(look) => return look,
        };
        if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, bundles.x509())) {
            return Look::Same;
        }
        let Some(message) = answers::x509_bundles(&bundles) else { return not_yet(sources) };
        self.told = Some(Arc::clone(bundles.x509()));
        Look::Told(message)
    }
}

impl Teller for JwtBundleTeller {
    type Message = JwtBundlesResponse;

    fn look(&mut self, sources: &Sources) -> Look<JwtBundlesResponse> {
        let bundles = match bundles(sources) {
            Ok(bundles) => bundles,
            Err(look) => return look,
        };
        if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, bundles.jwt())) {
            return Look::Same;
        }
        self.told = Some(Arc::clone(bundles.jwt()));
        Look::Told(answers::jwt_bundles(&bundles))
    }
}

fn bundles<M>(sources: &Sources) -> Result<Arc<Bundles>, Look<M>> {
    if sources.keeper.subject().now() == Subject::Unknown {
        return Err(Look::Never(Refusal::Starting));
    }
    sources.bundles.borrow().clone().ok_or_else(|| not_yet(sources))
}

/// What is missing comes from the coordinator, and is waited for while it is there.
fn not_yet<M>(sources: &Sources) -> Look<M> {
    if sources.keeper.is_connected() {
        Look::NotYet(Refusal::Late)
    } else {
        Look::Never(Refusal::Away)
    }
}
