//! The loop that fetches what is due.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_daemon::outbound::ForeignDocument;
use moneyer_identity::spiffe::TrustDomain;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval};

use super::attempt::{attempt, document, panicked};
use super::plan::Plan;
use super::running::{Over, Running};
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
    running: Running,
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
            running: Running::default(),
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
                Some(over) = self.running.next() => self.finish(over),
                _ = looks.tick() => self.authority.federations().settle(self.authority.now()),
            }
        }
    }

    fn finish(&mut self, Over { trust_domain, which, wait }: Over) {
        let wait = wait.unwrap_or_else(|| panicked(&self.authority, &trust_domain));
        self.plan.finish(&trust_domain, which, Instant::now() + wait);
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
            let attempt = async move { attempt(&authority, &document, federation).await };
            self.running.start(name, which, attempt);
        }
    }
}
