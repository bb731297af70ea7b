//! Writes copies, looks at what relying parties read, and says which keys they are served.

use std::time::Duration;

use futures_util::future::join_all;
use moneyer_authority::Authority;
use moneyer_daemon::backoff::Backoff;
use moneyer_daemon::outbound::{OutboundClient, OutboundPolicy};
use moneyer_identity::{KeyId, MAXIMUM_KEY_SET_BYTES};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::error::{LookError, NoTarget, PublishError, SetUpError};
use super::public_copy::{PublicCopy, Seen};
use super::status::{PublicCopyStatus, PublishStatus, TargetStatus};
use super::target::Target;
use crate::config::PublishSection;
use crate::documents::{PublicDocuments, Rendered};
use crate::metrics::Metrics;

/// Time to put or to read one document: a bucket far away takes less than a second.
const ONE_DOCUMENT: Duration = Duration::from_secs(10);

/// First wait before another try.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// Longest wait before another try, where `publish.every` is longer.
const RETRY_LATE: Duration = Duration::from_secs(60);

/// Requests that wait beside the one that is answered: each is an operator who looks on.
const WAITING: usize = 16;

/// Asks the publisher, and hears how it stands.
#[derive(Debug, Clone)]
pub(crate) struct PublishRequests {
    requests: mpsc::Sender<oneshot::Sender<()>>,
    status: watch::Receiver<PublishStatus>,
}

impl PublishRequests {
    /// How it stands.
    pub(crate) fn status(&self) -> PublishStatus {
        self.status.borrow().clone()
    }

    /// Writes every copy and looks at what relying parties read, and says what came of it.
    pub(crate) async fn now(&self) -> Result<PublishStatus, NoTarget> {
        let status = self.status();
        if status.targets.is_empty() && status.public_copy.is_none() {
            return Err(NoTarget);
        }
        let (answer, done) = oneshot::channel();
        // A publisher that is gone has nothing new to tell: the daemon goes down.
        if self.requests.send(answer).await.is_ok() {
            done.await.ok();
        }
        Ok(self.status())
    }
}

/// Writes copies, looks at what relying parties read, and says which keys they are served.
#[derive(Debug)]
pub(crate) struct Publisher {
    work: Work,
    requests: mpsc::Receiver<oneshot::Sender<()>>,
}

/// What it writes and where it looks.
#[derive(Debug)]
struct Work {
    authority: Authority,
    documents: PublicDocuments,
    metrics: Metrics,
    targets: Vec<Target>,
    copy: Option<PublicCopy>,
    every: Duration,
    verify_every: Duration,
    status: watch::Sender<PublishStatus>,
}

impl Publisher {
    /// A publisher of these documents.
    pub(crate) fn new(
        section: &PublishSection,
        authority: &Authority,
        documents: &PublicDocuments,
        metrics: &Metrics,
    ) -> Result<(Self, PublishRequests), SetUpError> {
        let client = client(section)?;
        let targets = Target::of(section, &client)?;
        let key_set_path = authority.charter().key_set_path.clone();
        let copy = section.verify_url.clone();
        let copy = copy.map(|url| PublicCopy::new(client, url, key_set_path));
        let status = watch::Sender::new(PublishStatus {
            targets: targets.iter().map(not_yet_written).collect(),
            public_copy: copy.as_ref().map(not_yet_seen),
        });
        let (sender, requests) = mpsc::channel(WAITING);
        let asks = PublishRequests { requests: sender, status: status.subscribe() };
        let work = Work {
            authority: authority.clone(),
            documents: documents.clone(),
            metrics: metrics.clone(),
            targets,
            copy,
            every: section.every.duration(),
            verify_every: section.verify_every.duration(),
            status,
        };
        Ok((Self { work, requests }, asks))
    }

    /// Writes and looks, for ever. A change of the documents interrupts whatever is under way: what was to be
    /// written is out of date, and a place that is slow holds up no other.
    pub(crate) async fn run(self) {
        let Self { work, mut requests } = self;
        let mut documents = work.documents.changes();
        let mut looks = interval(work.verify_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = Backoff::new(RETRY_SOON, RETRY_LATE.min(work.every));
        let (mut write, mut write_at) = (true, Instant::now());
        let mut asked: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            documents.borrow_and_update();
            let rendered = work.documents.now();
            tokio::select! {
                changed = documents.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    write = true;
                    continue;
                }
                written = work.round(&rendered, write) => match written {
                    Some(true) => {
                        retry.reset();
                        write_at = Instant::now() + work.every;
                    }
                    Some(false) => write_at = Instant::now() + retry.after_failure(),
                    None => {}
                },
            }
            for answer in asked.drain(..) {
                // Who asked may have gone.
                answer.send(()).ok();
            }
            write = tokio::select! {
                () = sleep_until(write_at) => true,
                changed = documents.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
                Some(answer) = requests.recv() => {
                    asked.push(answer);
                    true
                }
                _ = looks.tick() => false,
            };
        }
    }
}

impl Work {
    /// Writes every copy where that is due, and says whether all are there; then looks what relying parties
    /// read.
    async fn round(&self, rendered: &Rendered, write: bool) -> Option<bool> {
        let written = if write { Some(self.write(rendered).await) } else { None };
        self.look(rendered).await;
        self.metrics.published(self.status.borrow().is_good());
        written
    }

    /// Writes every copy, and says whether all of them are there. Where nobody looks at what relying parties
    /// read, that is what is known of it.
    async fn write(&self, rendered: &Rendered) -> bool {
        let documents = rendered.at_issuer();
        let writing = self.targets.iter().enumerate().map(|(at, target)| {
            let documents = &documents;
            async move {
                let outcome = target.put_all(documents).await;
                self.note_written(at, &outcome);
                outcome.is_ok()
            }
        });
        let good = join_all(writing).await.into_iter().all(|good| good);
        match (&self.copy, good) {
            (None, true) => self.authority.keys().served(keys(rendered)),
            (None, false) => self.authority.keys().served_is_unknown(),
            (Some(_), _) => {}
        }
        good
    }

    /// Notes what became of one place as soon as that is known.
    fn note_written(&self, at: usize, outcome: &Result<(), PublishError>) {
        let (now, problem) =
            (self.authority.now(), outcome.as_ref().err().map(|e| crate::chain(e)));
        self.status.send_modify(|status| {
            let Some(target) = status.targets.get_mut(at) else { return };
            note_change(&target.target, target.problem.as_deref(), problem.as_deref());
            if problem.is_none() {
                target.written_at = Some(now);
            }
            target.problem = problem;
        });
    }

    /// Looks at what relying parties read, where that is known.
    async fn look(&self, rendered: &Rendered) {
        let Some(copy) = &self.copy else { return };
        let outcome = copy.look(rendered.published()).await;
        match &outcome {
            Ok(seen) => self.authority.keys().served(seen.shows.iter().cloned()),
            Err(error) if error.says_nothing() => self.authority.keys().served_is_unknown(),
            Err(_) => self.authority.keys().nothing_is_served(),
        }
        let mut status = not_yet_seen(copy);
        status.looked_at = Some(self.authority.now());
        match outcome {
            Ok(seen) => Seen { shows: status.shows, lacks: status.lacks } = seen,
            Err(error) => {
                status.lacks = lacks_of(&error, rendered);
                status.problem = Some(crate::chain(&error));
            }
        }
        self.status.send_modify(|whole| {
            let before = whole.public_copy.as_ref().and_then(|copy| copy.problem.clone());
            note_change(&status.url, before.as_deref(), status.problem.as_deref());
            whole.public_copy = Some(status);
        });
    }
}

/// The keys of these documents.
fn keys(rendered: &Rendered) -> impl Iterator<Item = KeyId> {
    rendered.published().key_set.iter().map(|key| key.key_id().clone())
}

/// Of what cannot be seen nothing is known; of another issuer's documents, that no key of this one is there.
fn lacks_of(error: &LookError, rendered: &Rendered) -> Vec<KeyId> {
    if error.says_nothing() { Vec::new() } else { keys(rendered).collect() }
}

fn client(section: &PublishSection) -> Result<OutboundClient, SetUpError> {
    let mut extra_roots = Vec::with_capacity(section.roots.len());
    for path in &section.roots {
        let read = std::fs::read(path);
        let path = path.clone();
        extra_roots.push(read.map_err(|source| SetUpError::Roots { path, source })?);
    }
    let policy = OutboundPolicy {
        total: ONE_DOCUMENT,
        max_body: MAXIMUM_KEY_SET_BYTES,
        extra_roots,
        ..OutboundPolicy::default()
    };
    OutboundClient::new(policy).map_err(SetUpError::Client)
}

fn not_yet_written(target: &Target) -> TargetStatus {
    TargetStatus { target: target.name(), written_at: None, problem: None }
}

fn not_yet_seen(copy: &PublicCopy) -> PublicCopyStatus {
    PublicCopyStatus {
        url: copy.url().to_string(),
        looked_at: None,
        shows: Vec::new(),
        lacks: Vec::new(),
        problem: None,
    }
}

/// Once for a problem, and once for its end.
fn note_change(place: &str, before: Option<&str>, now: Option<&str>) {
    match (before, now) {
        (before, Some(cause)) if before != Some(cause) => {
            tracing::error!(
                publish.place = place,
                error.cause = cause,
                "relying parties may not be served what they should be; no key begins to sign that is not seen \
                 there"
            );
        }
        (Some(_), None) => {
            tracing::info!(publish.place = place, "relying parties are served again");
        }
        _ => {}
    }
}
