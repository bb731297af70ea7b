//! What the coordinator said last, kept while it is away.
//!
//! Which sandboxes are placed on this host, which audience profiles each has, and what there is to
//! know of the issuer. Kept on disk (`placement.json`), so that a proxy that starts without its
//! coordinator knows as much as before. It grants nothing: the coordinator decides on every token
//! anew. The generation only ever grows, so that a coordinator that came back from an old backup
//! is noticed by what its runners have seen.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use moneyer_daemon::file;
use moneyer_identity::grant::SandboxGrants;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{Audience, IssuerUrl, LifetimeRange, ProfileName, SandboxId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::followers::{Followers, SvidFacts};
use super::occupant::Occupant;
use crate::sandbox::Sdk;
use crate::svid::Subject;

/// Why what is on disk could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// The file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What is in it is no placement.
    #[error("{path} is damaged; move it away, it is made anew from what the coordinator says")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// An audience for which a sandbox may have a token file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: ProfileName,
    pub(crate) audience: Audience,
    /// Whose SDK is to find its token file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sdk: Option<Sdk>,
}

/// A sandbox placed on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacedSandbox {
    /// Who the id stands for.
    #[serde(flatten)]
    pub(crate) occupant: Occupant,
    pub(crate) profiles: Vec<Profile>,
    /// Whose its SVIDs are. Unknown where a coordinator that knows of no SVIDs placed it.
    #[serde(default, rename = "spiffe_id", skip_serializing_if = "Subject::is_unknown")]
    pub(crate) subject: Subject,
    /// What it may reach, and the tokens for it; sandboxes that have the same share it. No secret is in it.
    #[serde(default, skip_serializing_if = "grants_nothing")]
    pub(crate) grants: Arc<SandboxGrants>,
}

impl PlacedSandbox {
    /// Whether a token for this audience is what a grant of it is obtained with: that one the sandbox never has.
    pub(crate) fn has_a_grant_by(&self, audience: &Audience) -> bool {
        self.grants.bindings.iter().any(|binding| binding.grant.svid_audience == *audience)
    }
}

fn grants_nothing(grants: &SandboxGrants) -> bool {
    grants.is_empty()
}

/// What a runner has to know of the issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IssuerFacts {
    pub(crate) issuer: IssuerUrl,
    pub(crate) lifetimes: LifetimeRange,
}

/// Proof of what the coordinator's store had come to. Not ours to read, but to keep and to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptReceipt {
    pub(crate) incarnation: Vec<u8>,
    pub(crate) generation: u64,
    pub(crate) tag: Vec<u8>,
}

/// Everything the coordinator said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) generation: u64,
    pub(crate) issuer: Option<IssuerFacts>,
    /// What the coordinator said last of when tokens in hand are to be replaced.
    #[serde(default)]
    pub(crate) reissue: String,
    /// The store's receipt of the highest generation heard of.
    #[serde(default)]
    pub(crate) receipt: Option<KeptReceipt>,
    pub(crate) sandboxes: BTreeMap<SandboxId, PlacedSandbox>,
}

/// Something new from the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlacementChange {
    /// Complete state.
    All(BTreeMap<SandboxId, PlacedSandbox>),
    /// One sandbox was placed, or what it may do changed.
    Placed(SandboxId, PlacedSandbox),
    /// One sandbox left.
    Removed(SandboxId),
    /// Every token in hand is to be replaced at once.
    Reissue,
}

/// The placement as it is known now. Shared by reference.
#[derive(Debug)]
pub(crate) struct KnownPlacement {
    path: PathBuf,
    placement: RwLock<Placement>,
    version: watch::Sender<u64>,
    followers: Followers,
}

impl KnownPlacement {
    /// Reads what was known when the proxy last ran; nothing there is nothing known.
    pub(crate) fn read(path: &Path) -> Result<Self, PlacementError> {
        let path = path.to_owned();
        let placement = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| PlacementError::Parse { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Placement::default(),
            Err(source) => return Err(PlacementError::Read { path, source }),
        };
        let (placement, version) = (RwLock::new(placement), watch::Sender::new(0));
        Ok(Self { path, placement, version, followers: Followers::new() })
    }

    /// The placement, for as long as the guard lives. Not to be held across an await.
    pub(crate) fn now(&self) -> RwLockReadGuard<'_, Placement> {
        self.placement.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the coordinator says that SVIDs of this id are not, or no longer, for this sandbox.
    pub(crate) fn denies(&self, sandbox: &SandboxId, id: &SpiffeId) -> bool {
        match self.subject_of(sandbox, |_any| true) {
            Subject::Of(now) => now != *id,
            Subject::Nobody => true,
            Subject::Unknown => false,
        }
    }

    /// Whose the SVIDs of a sandbox are that is placed as `is_meant`.
    pub(crate) fn subject_of(
        &self,
        sandbox: &SandboxId,
        is_meant: impl Fn(&PlacedSandbox) -> bool,
    ) -> Subject {
        let placement = self.now();
        if placement.generation == 0 {
            return Subject::Unknown;
        }
        let placed = placement.sandboxes.get(sandbox).filter(|placed| is_meant(placed));
        placed.map_or(Subject::Nobody, |placed| placed.subject.clone())
    }

    /// Whether a token for one of these audiences is what a grant of the sandbox is obtained with.
    pub(crate) fn has_a_grant_by(&self, sandbox: &SandboxId, audiences: &[Audience]) -> bool {
        let placement = self.now();
        let Some(placed) = placement.sandboxes.get(sandbox) else { return false };
        audiences.iter().any(|audience| placed.has_a_grant_by(audience))
    }

    /// Takes in a change that brings this runner to `generation`.
    pub(crate) fn apply(&self, generation: u64, change: PlacementChange) {
        let is_first = self.now().generation == 0;
        let whom = match &change {
            PlacementChange::Placed(id, _) | PlacementChange::Removed(id) => Some(id.clone()),
            PlacementChange::All(_) | PlacementChange::Reissue => None,
        };
        self.update(|placement| {
            placement.generation = placement.generation.max(generation);
            match change {
                PlacementChange::All(sandboxes) => placement.sandboxes = sandboxes,
                PlacementChange::Placed(id, sandbox) => {
                    placement.sandboxes.insert(id, sandbox);
                }
                PlacementChange::Removed(id) => {
                    placement.sandboxes.remove(&id);
                }
                PlacementChange::Reissue => {}
            }
        });
        // With the first word it is known of all others that they are not placed.
        self.followers.tell(whom.as_ref().filter(|_| !is_first), || self.now());
    }

    /// Takes in what the coordinator says of the issuer.
    pub(crate) fn set_issuer(&self, issuer: IssuerFacts) {
        self.update(|placement| placement.issuer = Some(issuer));
    }

    /// Keeps a receipt of a higher generation, or of another life of the store; a lower one of the same
    /// life is what a rolled-back store would give.
    pub(crate) fn keep_receipt(&self, receipt: KeptReceipt) {
        let higher = self.now().receipt.as_ref().is_none_or(|kept| {
            kept.incarnation != receipt.incarnation || kept.generation < receipt.generation
        });
        if higher {
            self.update(|placement| placement.receipt = Some(receipt));
        }
    }

    /// Takes in when tokens are to be replaced, and the issuer they name from then on; whether tokens
    /// that are in hand are from before.
    pub(crate) fn reissue(&self, reissue: &str, issuer: &IssuerUrl) -> bool {
        let before = self.now().reissue.clone();
        if before == reissue {
            return false;
        }
        self.update(|placement| {
            reissue.clone_into(&mut placement.reissue);
            if let Some(facts) = &mut placement.issuer {
                facts.issuer = issuer.clone();
            }
        });
        !before.is_empty()
    }

    fn update(&self, change: impl FnOnce(&mut Placement)) {
        change(&mut self.placement.write().unwrap_or_else(PoisonError::into_inner));
        self.version.send_modify(|version| *version += 1);
    }

    /// Tells of each change from now on of what the SVIDs of one sandbox depend on.
    pub(crate) fn follow(&self, sandbox: &SandboxId) -> watch::Receiver<SvidFacts> {
        self.followers.follow(sandbox, || self.now())
    }

    /// Whether `sandbox` is placed here; waits for at most `limit` until it is.
    pub(crate) async fn wait_for(
        &self,
        sandbox: &SandboxId,
        limit: Duration,
    ) -> Option<PlacedSandbox> {
        let mut version = self.version.subscribe();
        let found = || self.now().sandboxes.get(sandbox).cloned();
        let arrives = async {
            loop {
                if let Some(placed) = found() {
                    return placed;
                }
                if version.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(limit, arrives).await.ok()
    }

    /// Writes each change to disk until `stop`, and what is new then; changes that come while one is
    /// being written are written together.
    pub(crate) async fn keep_on_disk(&self, stop: &CancellationToken) {
        let mut version = self.version.subscribe();
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                changed = version.changed() => changed.is_err(),
            };
            if stopped && !version.has_changed().unwrap_or(false) {
                return;
            }
            version.mark_unchanged();
            if let Err(error) = self.write().await {
                tracing::error!(%error, "what the coordinator said could not be kept on disk");
            }
        }
    }

    async fn write(&self) -> io::Result<()> {
        let bytes = serde_json::to_vec(&*self.now()).map_err(io::Error::other)?;
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || file::write_atomic(&path, &bytes, 0o600))
            .await
            .map_err(io::Error::other)?
    }

    /// The lifetimes that may be asked for: the issuer's, or those of a cluster that configures
    /// none before the issuer was ever heard.
    pub(crate) fn lifetimes(&self) -> LifetimeRange {
        let placement = self.now();
        placement.issuer.as_ref().map_or(LifetimeRange::UNCONFIGURED, |facts| facts.lifetimes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SandboxId {
        SandboxId::parse(text).unwrap()
    }

    fn placed(app: &str) -> PlacedSandbox {
        let profile = Profile {
            name: ProfileName::parse("aws").unwrap(),
            audience: Audience::parse("sts.amazonaws.com").unwrap(),
            sdk: Some(Sdk::Aws { role: None }),
        };
        let subject = Subject::Of(SpiffeId::parse("spiffe://id.example.com/app/web").unwrap());
        PlacedSandbox {
            occupant: Occupant::of_app(app),
            profiles: vec![profile],
            subject,
            grants: Arc::default(),
        }
    }

    #[tokio::test]
    async fn comes_back_from_disk() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("placement.json");
        let known = KnownPlacement::read(&path).unwrap();
        known.apply(7, PlacementChange::Placed(id("a"), placed("web")));
        known.apply(8, PlacementChange::Placed(id("b"), placed("web")));
        known.apply(9, PlacementChange::Removed(id("b")));
        known.write().await.unwrap();
        let again = KnownPlacement::read(&path).unwrap();
        assert_eq!(again.now().generation, 9);
        assert_eq!(again.now().sandboxes, BTreeMap::from([(id("a"), placed("web"))]));
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(KnownPlacement::read(&path), Err(PlacementError::Parse { .. })));
    }

    #[tokio::test]
    async fn what_a_sandbox_may_reach_comes_back_from_disk_and_is_no_other_sandboxs() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("placement.json");
        let known = KnownPlacement::read(&path).unwrap();
        let rule = moneyer_identity::grant::EndpointRule {
            provider: "demo".parse().unwrap(),
            host: "api.example".parse().unwrap(),
            port: 443,
            path: "/v1/**".parse().unwrap(),
            protocol: "rest".parse().unwrap(),
            access: Some("read-only".parse().unwrap()),
            allow: Vec::new(),
            deny: Vec::new(),
            enforcement: "enforce".parse().unwrap(),
            tls: "terminate".parse().unwrap(),
            allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
            allow_uninspected: false,
            redact_echo: false,
        };
        let endpoints = vec![rule];
        let grants = SandboxGrants { revision: "7".to_owned(), endpoints, bindings: Vec::new() };
        let grants = Arc::new(grants);
        let sandbox = PlacedSandbox { grants: grants.clone(), ..placed("web") };
        known.apply(7, PlacementChange::Placed(id("a"), sandbox));
        known.write().await.unwrap();
        let again = KnownPlacement::read(&path).unwrap();
        let placement = again.now();
        assert_eq!(placement.sandboxes[&id("a")].grants, grants);
        assert_eq!(placement.sandboxes[&id("a")].occupant, Occupant::of_app("web"));
        assert!(!placement.sandboxes.contains_key(&id("b")));
    }

    #[tokio::test]
    async fn what_is_on_disk_says_whose_svids_are_nobodys_and_what_an_older_proxy_left_does_not() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("placement.json");
        let known = KnownPlacement::read(&path).unwrap();
        for (name, subject) in [("nobody", Subject::Nobody), ("unknown", Subject::Unknown)] {
            let sandbox = PlacedSandbox { subject, ..placed("web") };
            known.apply(7, PlacementChange::Placed(id(name), sandbox));
        }
        known.write().await.unwrap();
        let again = KnownPlacement::read(&path).unwrap();
        assert_eq!(again.now().sandboxes, known.now().sandboxes);
        let older =
            r#"{"generation":7,"issuer":null,"sandboxes":{"a":{"app":"web","profiles":[]}}}"#;
        std::fs::write(&path, older).unwrap();
        let older = KnownPlacement::read(&path).unwrap();
        assert_eq!(older.now().sandboxes[&id("a")].subject, Subject::Unknown);
        std::fs::write(&path, older_with_id("https://x")).unwrap();
        assert!(matches!(KnownPlacement::read(&path), Err(PlacementError::Parse { .. })));
    }

    fn older_with_id(spiffe_id: &str) -> String {
        let sandbox = format!(r#"{{"app":"web","profiles":[],"spiffe_id":"{spiffe_id}"}}"#);
        format!(r#"{{"generation":7,"issuer":null,"sandboxes":{{"a":{sandbox}}}}}"#)
    }

    #[test]
    fn an_id_is_denied_where_another_is_known_and_not_where_none_is() {
        let state = tempfile::tempdir().unwrap();
        let known = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let spiffe_id = SpiffeId::parse("spiffe://id.example.com/app/web").unwrap();
        let other = SpiffeId::parse("spiffe://id.example.com/app/other").unwrap();
        assert!(!known.denies(&id("a"), &spiffe_id), "nothing was heard");
        for (subject, is_denied) in [
            (Subject::Of(spiffe_id.clone()), false),
            (Subject::Of(other), true),
            (Subject::Nobody, true),
            (Subject::Unknown, false),
        ] {
            let sandbox = PlacedSandbox { subject: subject.clone(), ..placed("web") };
            known.apply(1, PlacementChange::Placed(id("a"), sandbox));
            assert_eq!(known.denies(&id("a"), &spiffe_id), is_denied, "{subject:?}");
        }
        known.apply(2, PlacementChange::Removed(id("a")));
        assert!(known.denies(&id("a"), &spiffe_id));
    }

    #[test]
    fn the_generation_never_goes_back() {
        let state = tempfile::tempdir().unwrap();
        let known = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        known.apply(9, PlacementChange::All(BTreeMap::from([(id("a"), placed("web"))])));
        known.apply(3, PlacementChange::All(BTreeMap::new()));
        assert_eq!(known.now().generation, 9);
        assert!(known.now().sandboxes.is_empty());
    }

    #[test]
    fn a_follower_is_woken_by_what_is_new_of_its_own_sandbox_and_by_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let known = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let mut followed = known.follow(&id("a"));
        let mut is_woken = |act: &dyn Fn()| {
            act();
            let woken = followed.has_changed().unwrap();
            followed.mark_unchanged();
            woken
        };
        let place = |name: &str, app: &str| {
            known.apply(1, PlacementChange::Placed(id(name), placed(app)));
        };
        assert!(is_woken(&|| place("b", "web")), "it is not placed, which was not known before");
        assert!(!is_woken(&|| place("c", "web")));
        assert!(is_woken(&|| place("a", "web")));
        assert!(!is_woken(&|| place("a", "web")), "nothing new");
        let profiles = PlacedSandbox { profiles: Vec::new(), ..placed("web") };
        assert!(!is_woken(&|| {
            known.apply(2, PlacementChange::Placed(id("a"), profiles.clone()));
        }));
        let receipt = KeptReceipt { incarnation: vec![1], generation: 2, tag: vec![1] };
        assert!(!is_woken(&|| known.keep_receipt(receipt.clone())));
        let issuer = IssuerUrl::parse("https://id.example.com").unwrap();
        let facts = IssuerFacts { issuer, lifetimes: LifetimeRange::UNCONFIGURED };
        assert!(!is_woken(&|| known.set_issuer(facts.clone())));
        assert!(!is_woken(&|| known.apply(3, PlacementChange::Reissue)));
        assert!(is_woken(&|| place("a", "db")));
        assert!(!is_woken(&|| known.apply(4, PlacementChange::Removed(id("b")))));
        assert!(is_woken(&|| known.apply(5, PlacementChange::Removed(id("a")))));
        assert!(!is_woken(&|| known.apply(6, PlacementChange::All(BTreeMap::new()))));
        let all = BTreeMap::from([(id("a"), placed("web"))]);
        assert!(is_woken(&|| known.apply(7, PlacementChange::All(all.clone()))));
    }

    #[test]
    fn the_receipt_of_the_highest_generation_of_a_life_is_kept() {
        let state = tempfile::tempdir().unwrap();
        let known = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let receipt = |life: u8, generation: u64| KeptReceipt {
            incarnation: vec![life],
            generation,
            tag: vec![1],
        };
        for (heard, kept) in
            [((1, 5), (1, 5)), ((1, 3), (1, 5)), ((1, 6), (1, 6)), ((2, 1), (2, 1))]
        {
            known.keep_receipt(receipt(heard.0, heard.1));
            assert_eq!(known.now().receipt, Some(receipt(kept.0, kept.1)), "{heard:?}");
        }
    }

    #[test]
    fn tokens_in_hand_are_from_before_only_if_something_was_heard_before() {
        let state = tempfile::tempdir().unwrap();
        let known = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let issuer = IssuerUrl::parse("https://id.example.com").unwrap();
        assert!(!known.reissue("1.0", &issuer), "the first word says nothing of before");
        assert!(!known.reissue("1.0", &issuer));
        assert!(known.reissue("1.1", &issuer));
        assert!(known.reissue("2.1", &issuer));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_the_sandbox_arrives_or_at_the_limit() {
        let state = tempfile::tempdir().unwrap();
        let known = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let limit = Duration::from_secs(2);
        assert_eq!(known.wait_for(&id("a"), limit).await, None);
        let a = id("a");
        let (found, ()) = tokio::join!(known.wait_for(&a, limit), async {
            tokio::task::yield_now().await;
            known.apply(1, PlacementChange::Placed(id("a"), placed("web")));
        });
        assert_eq!(found, Some(placed("web")));
    }
}
