//! The loop that fetches what is due.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_daemon::outbound::ForeignDocument;
use moneyer_identity::spiffe::TrustDomain;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::attempt::{attempt, document};
use super::plan::{Plan, Try};
use crate::config::FederationSection;

/// How often it is looked what is due and what has become too old. A look costs microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Requests that wait beside the one that is answered: each is an operator who looks on.
const WAITING: usize = 16;

/// A trust domain whose bundle is asked for now, and who waits for it.
type Ask = (TrustDomain, oneshot::Sender<()>);

/// Asks the fetcher.
#[derive(Debug, Clone)]
pub(crate) struct FederationRequests(mpsc::Sender<Ask>);

impl FederationRequests {
    /// Fetches a bundle before its time, and returns when what came of it is known.
    pub(crate) async fn refresh(&self, trust_domain: TrustDomain) {
        let (done, answer) = oneshot::channel();
        // A fetcher that is gone has nothing new to tell: the daemon goes down.
        if self.0.send((trust_domain, done)).await.is_ok() {
            answer.await.ok();
        }
    }
}

/// Fetches bundles when they are due.
#[derive(Debug)]
pub(crate) struct Fetcher {
    authority: Authority,
    document: ForeignDocument,
    requests: mpsc::Receiver<Ask>,
    plan: Plan,
    running: JoinSet<(TrustDomain, Try, Duration)>,
}

impl Fetcher {
    /// A fetcher of what this authority federates with.
    pub(crate) fn new(
        section: &FederationSection,
        authority: &Authority,
    ) -> (Self, FederationRequests) {
        let (sender, requests) = mpsc::channel(WAITING);
        let fetcher = Self {
            authority: authority.clone(),
            document: document(section),
            requests,
            plan: Plan::default(),
            running: JoinSet::new(),
        };
        (fetcher, FederationRequests(sender))
    }

    /// Fetches, for ever.
    pub(crate) async fn run(mut self) {
        let mut plans = self.authority.federations().plans();
        let mut looks = interval(LOOK_EVERY);
        self.follow();
        loop {
            self.start();
            tokio::select! {
                changed = plans.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_gone) => return,
                },
                Some((name, done)) = self.requests.recv() => {
                    // What was put a moment ago is known by then.
                    self.follow();
                    self.plan.ask(&name, done, Instant::now());
                }
                Some(over) = self.running.join_next() => {
                    // A task that panicked is due no more; its federation is fetched again when it is put anew
                    // or the coordinator is started, and the panic is in the log.
                    if let Ok((name, which, wait)) = over {
                        self.plan.finish(&name, which, Instant::now() + wait);
                    }
                }
                _ = looks.tick() => self.authority.federations().settle(self.authority.now()),
            }
        }
    }

    fn follow(&mut self) {
        let known = self.authority.federations().list();
        let federations = known.iter().map(|known| known.federation.clone());
        self.plan.follow(federations, Instant::now());
    }

    fn start(&mut self) {
        for (federation, which) in self.plan.start(Instant::now()) {
            let (authority, document) = (self.authority.clone(), self.document.clone());
            let name = federation.trust_domain.clone();
            self.running.spawn(async move {
                let wait = attempt(&authority, &document, federation).await;
                (name, which, wait)
            });
        }
    }
}
