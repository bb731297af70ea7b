//! One try to fetch a bundle, from the server's proof to what the authority makes of it.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::federation::{Federation, FederationsError, Fetched, Told, Trial, interval};
use moneyer_daemon::outbound::{ForeignDocument, OutboundError, OutboundPolicy, ServerProof};
use moneyer_identity::spiffe::{MAXIMUM_BUNDLE_BYTES, TrustBundle, TrustBundleError, TrustDomain};

use crate::config::FederationSection;

/// Time for one bundle, redirects and all: from the other side of the world it takes two seconds.
const ONE_BUNDLE: Duration = Duration::from_secs(10);

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(
        "there is no bundle of {0} in force, which the server is known by; federate with it too"
    )]
    NoProof(TrustDomain),
    #[error("the bundle was not fetched")]
    Fetch(#[source] OutboundError),
    #[error("what came is not a trust bundle")]
    Document(#[source] TrustBundleError),
    #[error(transparent)]
    Taking(#[from] FederationsError),
}

/// What a fetch may take.
pub(super) fn document(section: &FederationSection) -> ForeignDocument {
    let policy = OutboundPolicy::of_bundle(ONE_BUNDLE, MAXIMUM_BUNDLE_BYTES);
    ForeignDocument { policy, private_addresses: section.private_addresses, redirects: true }
}

/// Tries once, keeps what came of it, and says how long to wait.
pub(super) async fn attempt(
    authority: &Authority,
    document: &ForeignDocument,
    federation: Federation,
) -> Duration {
    let trust_domain = federation.trust_domain.clone();
    let outcome = fetch(authority, document, federation).await;
    let known = authority.federations().find(&trust_domain);
    let fetched = known.as_ref().and_then(|known| known.fetched.as_ref());
    let wait = interval(fetched.map(|fetched| &*fetched.bundle));
    let failure = outcome.as_ref().err().map(|error| crate::chain(error));
    let before = known.as_ref().and_then(|known| known.trial.as_ref());
    let before = before.and_then(|trial| trial.failure.as_deref());
    tell(&trust_domain, (before, failure.as_deref()), wait);
    if let (Ok(true), Some(fetched)) = (&outcome, fetched) {
        tell_news(&trust_domain, fetched);
    }
    let now = authority.now();
    let trial = Trial { at: now, failure, next_at: now.plus(wait) };
    authority.federations().note(&trust_domain, &trial);
    wait
}

/// Keeps that a try panicked, and says how long to wait: as long as where nothing else is told, since what the
/// other side serves makes the next one panic as well.
pub(super) fn panicked(authority: &Authority, trust_domain: &TrustDomain) -> Duration {
    tracing::error!(
        federation.trust_domain = trust_domain.as_str(),
        "the try to fetch a federated bundle panicked; it is tried again"
    );
    let (now, wait) = (authority.now(), interval(None));
    let failure = Some("the try panicked; the daemon's log says where".to_owned());
    authority
        .federations()
        .note(trust_domain, &Trial { at: now, failure, next_at: now.plus(wait) });
    wait
}

/// A failure and its end, once and not at every try.
fn tell(trust_domain: &TrustDomain, change: (Option<&str>, Option<&str>), wait: Duration) {
    let (name, next) = (trust_domain.as_str(), wait.as_secs());
    match change {
        (before, Some(cause)) if before != Some(cause) => tracing::warn!(
            federation.trust_domain = name,
            federation.next_try_seconds = next,
            error.cause = cause,
            "the bundle of a federated trust domain was not fetched; the last one stays in force"
        ),
        (Some(_), None) => {
            tracing::info!(federation.trust_domain = name, "a federated bundle is fetched again");
        }
        _ => {}
    }
}

fn tell_news(trust_domain: &TrustDomain, fetched: &Fetched) {
    let (name, sequence) = (trust_domain.as_str(), fetched.bundle.sequence());
    tracing::info!(
        federation.trust_domain = name,
        federation.sequence = sequence,
        "another bundle of a federated trust domain is in force"
    );
    if let Some(notice) = fetched.notice {
        let notice = notice.to_string();
        tracing::warn!(
            federation.trust_domain = name,
            federation.notice = notice,
            "a federated bundle is odd"
        );
    }
}

async fn fetch(
    authority: &Authority,
    document: &ForeignDocument,
    federation: Federation,
) -> Result<bool, AttemptError> {
    let trust_domain = federation.trust_domain.clone();
    let gone = || FederationsError::NoSuchFederation(trust_domain.clone());
    let known = authority.federations().find(&trust_domain).ok_or_else(gone)?;
    let proof = match known.server(&authority.trust_bundles()) {
        Told::Web(None) => ServerProof::Name,
        Told::Web(Some(roots)) => ServerProof::NameUnder(roots.into_bytes()),
        Told::Spiffe(id, bundles) if bundles.is_empty() => {
            return Err(AttemptError::NoProof(id.trust_domain().clone()));
        }
        Told::Spiffe(id, bundles) => ServerProof::SpiffeId(id, bundles),
    };
    let bytes = document.get(federation.url.as_str(), &proof).await;
    let bytes = bytes.map_err(AttemptError::Fetch)?;
    let bundle = TrustBundle::parse(trust_domain, &bytes).map_err(AttemptError::Document)?;
    Ok(authority.take_bundle(federation, bundle).await?)
}
