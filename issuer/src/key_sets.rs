//! The loop that fetches key sets of other issuers: those of trust domains without a bundle, and of issuers whose tokens
//! are taken in exchange.
//!
//! Each is fetched at start, then every few minutes, and sooner when somebody asks. What was fetched last and found
//! good stays until it is too old. An operator names each in the configuration, so addresses of the own network are
//! asked too, and no redirect is followed to others; a server that asks who we are is shown the bearer token in a file,
//! which is read anew each time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::exchange::SubjectSource;
use moneyer_authority::federation::{BundleUrl, WITHOUT_A_HINT};
use moneyer_authority::login::KeySource;
use moneyer_daemon::outbound::{ForeignDocument, OutboundPolicy, ServerProof};
use moneyer_identity::ForeignKeys;
use moneyer_identity::spiffe::{MAXIMUM_BUNDLE_BYTES, TrustBundle, TrustDomain};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Time for one key set, redirects and all: from the other side of the world it takes two seconds.
const ONE_KEY_SET: Duration = Duration::from_secs(10);

/// Time between two tries where the last one failed: without a key set nobody of its issuer is let in.
const RETRY: Duration = Duration::from_secs(10);

/// How long somebody waits for a fetch: what one may take, and a moment.
const PATIENCE: Duration = Duration::from_secs(12);

/// What takes a key set, or says what is wrong with it.
type Take = Box<dyn Fn(&[u8]) -> Result<(), String> + Send + Sync>;

/// Where one key set is, and who asks for it.
struct Source {
    /// The issuer, or the trust domain.
    name: String,
    url: BundleUrl,
    proof: ServerProof,
    bearer_file: Option<PathBuf>,
    take: Take,
    asked: Arc<Notify>,
    tried: watch::Sender<u64>,
}

/// The asker's end of a source: to ask, and to hear that it was tried.
type Line = (Arc<Notify>, watch::Receiver<u64>);

/// Asks for key sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySetRequests(Arc<BTreeMap<String, Line>>);

impl KeySetRequests {
    /// Whether there is a key set of this issuer or trust domain to be asked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Fetches a key set before its time, and returns when what came of it is known.
    pub(crate) async fn refresh(&self, name: &str) {
        let Some((asked, tried)) = self.0.get(name) else { return };
        let mut tried = tried.clone();
        tried.mark_unchanged();
        asked.notify_one();
        // Too late is as good as nothing new.
        timeout(PATIENCE, tried.changed()).await.ok();
    }
}

/// Fetches key sets.
pub(crate) struct KeySets {
    document: ForeignDocument,
    sources: Vec<Source>,
}

impl fmt::Debug for KeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|source| &source.name)).finish()
    }
}

impl KeySets {
    /// Of everybody whose key set this authority needs.
    pub(crate) fn new(authority: &Authority) -> (Self, KeySetRequests) {
        let domains = authority.login_plan().domains().iter();
        let domains = domains.filter_map(|domain| match &domain.keys {
            KeySource::Url { url, roots } => {
                let take = of_trust_domain(authority.clone(), domain.trust_domain.clone());
                let name = domain.trust_domain.as_str().to_owned();
                Some(Source::new(name, (url, roots.as_ref(), None), take))
            }
            _ => None,
        });
        let issuers = authority.subject_sources().list().iter().filter_map(|source| {
            let key_set = source.verification.key_set()?;
            let from = (key_set, source.roots.as_ref(), source.bearer_file.clone());
            let take = of_issuer(authority.clone(), source);
            Some(Source::new(source.issuer.clone(), from, take))
        });
        let (sources, lines): (Vec<_>, Vec<_>) = domains.chain(issuers).unzip();
        let policy = OutboundPolicy::of_bundle(ONE_KEY_SET, MAXIMUM_BUNDLE_BYTES);
        let document = ForeignDocument { policy, private_addresses: true, redirects: false };
        let requests = KeySetRequests(Arc::new(lines.into_iter().collect()));
        (Self { document, sources }, requests)
    }

    /// Fetches, for ever.
    pub(crate) async fn run(self) {
        let mut following = JoinSet::new();
        for source in self.sources {
            following.spawn(source.follow(self.document.clone()));
        }
        while following.join_next().await.is_some() {}
    }
}

fn of_trust_domain(authority: Authority, trust_domain: TrustDomain) -> Take {
    Box::new(move |bytes| {
        let keys = TrustBundle::of_key_set(trust_domain.clone(), bytes);
        let keys = keys.map_err(|error| crate::chain(&error))?;
        if keys.jwt_authorities().is_empty() {
            return Err(NOTHING.to_owned());
        }
        authority.login_keys().take(trust_domain.as_str(), keys, authority.now());
        Ok(())
    })
}

fn of_issuer(authority: Authority, source: &SubjectSource) -> Take {
    let issuer = source.issuer.clone();
    Box::new(move |bytes| {
        let keys = ForeignKeys::parse(bytes).map_err(|error| crate::chain(&error))?;
        if keys.is_empty() {
            return Err(NOTHING.to_owned());
        }
        authority.source_keys().take(&issuer, keys, authority.now());
        Ok(())
    })
}

const NOTHING: &str = "the key set has no key that its tokens could be verified with";

impl Source {
    fn new(
        name: String,
        (url, roots, bearer_file): (&BundleUrl, Option<&String>, Option<PathBuf>),
        take: Take,
    ) -> (Self, (String, Line)) {
        let (asked, (tried, heard)) = (Arc::new(Notify::new()), watch::channel(0));
        let roots = roots.cloned().map(String::into_bytes);
        let proof = roots.map_or(ServerProof::Name, ServerProof::NameUnder);
        let line = (name.clone(), (Arc::clone(&asked), heard));
        (Self { name, url: url.clone(), proof, bearer_file, take, asked, tried }, line)
    }

    async fn follow(self, document: ForeignDocument) {
        let mut failing = None;
        loop {
            let outcome = self.fetch(&document).await;
            self.tell(failing.as_deref(), outcome.as_ref().err());
            self.tried.send_modify(|count| *count = count.wrapping_add(1));
            failing = outcome.err();
            timeout(pause(failing.is_some()), self.asked.notified()).await.ok();
        }
    }

    async fn fetch(&self, document: &ForeignDocument) -> Result<(), String> {
        let bearer = match &self.bearer_file {
            Some(file) => Some(crate::bearer_file::read(file).await?),
            None => None,
        };
        let bearer = bearer.as_ref().map(|bearer| bearer.trim_ascii());
        let bytes = document.get_as(self.url.as_str(), &self.proof, bearer).await;
        (self.take)(&bytes.map_err(|error| crate::chain(&error))?)
    }

    /// A failure and its end, once and not at every try.
    fn tell(&self, before: Option<&str>, now: Option<&String>) {
        let name = self.name.as_str();
        match (before, now) {
            (before, Some(cause)) if before != Some(cause) => tracing::warn!(
                issuer = name,
                error.cause = cause,
                "a key set was not fetched; the last one is used until it is too old"
            ),
            (Some(_), None) => tracing::info!(issuer = name, "a key set is fetched again"),
            _ => {}
        }
    }
}

/// Time until the next try, unless somebody asks.
fn pause(failing: bool) -> Duration {
    if failing { RETRY } else { WITHOUT_A_HINT }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_try_that_failed_is_made_again_after_ten_seconds() {
        assert_eq!(pause(true), Duration::from_secs(10));
        assert_eq!(pause(false), Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_in_waits_for_a_fetch_and_not_for_ever() {
        let name = "ci.example".to_owned();
        let (asked, (tried, heard)) = (Arc::new(Notify::new()), watch::channel(0_u64));
        let line = BTreeMap::from([(name.clone(), (Arc::clone(&asked), heard))]);
        let requests = KeySetRequests(Arc::new(line));
        let begun = Instant::now();
        requests.refresh(&name).await;
        assert_eq!(begun.elapsed(), PATIENCE, "nobody fetches");
        let (begun, answered) = (Instant::now(), Duration::from_secs(3));
        let fetching = tokio::spawn(async move {
            asked.notified().await;
            tokio::time::sleep(answered).await;
            tried.send_modify(|count| *count += 1);
            tried
        });
        // The request from before is still there, and is answered by the same fetch.
        requests.refresh(&name).await;
        assert_eq!(begun.elapsed(), answered);
        fetching.await.unwrap();
        requests.refresh("other.example").await;
        assert_eq!(begun.elapsed(), answered, "there is nobody to be asked");
    }
}
