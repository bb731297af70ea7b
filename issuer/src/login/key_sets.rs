//! The loop that fetches key sets of trust domains that have no bundle.
//!
//! Each is fetched at start, then every few minutes, and sooner when somebody asks. What was fetched last and found
//! good stays until it is too old; the limits and the addresses are those of federation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::federation::WITHOUT_A_HINT;
use moneyer_authority::login::KeySource;
use moneyer_daemon::outbound::{ForeignDocument, ServerProof};
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::FederationSection;
use crate::federation::document;

/// Time between two tries where the last one failed: without a key set nobody of the trust domain is let in.
const RETRY: Duration = Duration::from_secs(10);

/// How long somebody waits for a fetch: what one may take, and a moment.
const PATIENCE: Duration = Duration::from_secs(12);

/// Where one key set is, and who asks for it.
#[derive(Debug)]
struct Source {
    trust_domain: TrustDomain,
    url: String,
    proof: ServerProof,
    asked: Arc<Notify>,
    tried: watch::Sender<u64>,
}

/// The asker's end of a source: to ask, and to hear that it was tried.
type Line = (Arc<Notify>, watch::Receiver<u64>);

/// Asks for key sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySetRequests(Arc<BTreeMap<TrustDomain, Line>>);

impl KeySetRequests {
    /// Fetches the key set of a trust domain before its time, and returns when what came of it is known.
    pub(crate) async fn refresh(&self, trust_domain: &TrustDomain) {
        let Some((asked, tried)) = self.0.get(trust_domain) else { return };
        let mut tried = tried.clone();
        tried.mark_unchanged();
        asked.notify_one();
        // Too late is as good as nothing new.
        timeout(PATIENCE, tried.changed()).await.ok();
    }
}

/// Fetches key sets.
#[derive(Debug)]
pub(crate) struct KeySets {
    authority: Authority,
    document: ForeignDocument,
    sources: Vec<Source>,
}

impl KeySets {
    /// Of the trust domains that this authority lets log in by a key set at a URL.
    pub(crate) fn new(
        section: &FederationSection,
        authority: &Authority,
    ) -> (Self, KeySetRequests) {
        let (mut sources, mut requests) = (Vec::new(), BTreeMap::new());
        for domain in authority.login_plan().domains() {
            let KeySource::Url { url, roots } = &domain.keys else { continue };
            let (asked, (tried, heard)) = (Arc::new(Notify::new()), watch::channel(0));
            requests.insert(domain.trust_domain.clone(), (asked.clone(), heard));
            let roots = roots.clone().map(String::into_bytes);
            sources.push(Source {
                trust_domain: domain.trust_domain.clone(),
                url: url.as_str().to_owned(),
                proof: roots.map_or(ServerProof::Name, ServerProof::NameUnder),
                asked,
                tried,
            });
        }
        let (authority, document) = (authority.clone(), document(section));
        (Self { authority, document, sources }, KeySetRequests(Arc::new(requests)))
    }

    /// Fetches, for ever.
    pub(crate) async fn run(self) {
        let mut following = JoinSet::new();
        for source in self.sources {
            following.spawn(follow(self.authority.clone(), self.document.clone(), source));
        }
        while following.join_next().await.is_some() {}
    }
}

async fn follow(authority: Authority, document: ForeignDocument, source: Source) {
    let mut failing = None;
    loop {
        let outcome = fetch(&authority, &document, &source).await;
        tell(&source, failing.as_deref(), outcome.as_ref().err());
        source.tried.send_modify(|count| *count = count.wrapping_add(1));
        let wait = if outcome.is_ok() { WITHOUT_A_HINT } else { RETRY };
        failing = outcome.err();
        timeout(wait, source.asked.notified()).await.ok();
    }
}

async fn fetch(
    authority: &Authority,
    document: &ForeignDocument,
    source: &Source,
) -> Result<(), String> {
    let bytes = document.get(&source.url, &source.proof).await;
    let bytes = bytes.map_err(|error| crate::chain(&error))?;
    let keys = TrustBundle::of_key_set(source.trust_domain.clone(), &bytes);
    let keys = keys.map_err(|error| crate::chain(&error))?;
    if keys.jwt_authorities().is_empty() {
        return Err("the key set has no key that JWT-SVIDs are signed with".to_owned());
    }
    authority.login_keys().take(keys, authority.now());
    Ok(())
}

/// A failure and its end, once and not at every try.
fn tell(source: &Source, before: Option<&str>, now: Option<&String>) {
    let name = source.trust_domain.as_str();
    match (before, now) {
        (before, Some(cause)) if before != Some(cause) => tracing::warn!(
            login.trust_domain = name,
            error.cause = cause,
            "the key set of a trust domain was not fetched; the last one is used until it is too old"
        ),
        (Some(_), None) => {
            tracing::info!(login.trust_domain = name, "a key set for log-in is fetched again");
        }
        _ => {}
    }
}
