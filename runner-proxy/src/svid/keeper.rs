//! The X.509-SVID of one sandbox: made when it is first asked for, renewed while it is used.
//!
//! All streams of the sandbox share it. It is renewed before half of its life is over, as tokens are, with a
//! new key each time; while the coordinator is away the one in hand is served to its end. A refusal, which
//! is a decision of the coordinator, takes it away at once, and so does another SPIFFE ID. One whose authority
//! has left the trust bundle is believed by nobody: it is replaced at once. A new one whose authority this host has
//! not heard of yet is held back, since the bundle that is handed out with it would not verify it: until the bundle
//! has the authority, and at most to the end of the one in hand, or for half a minute where there is none. One loop
//! makes all attempts, so there is never more than one under way, however many ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{ErrorClass, IssueError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::held::{HeldBack, Stock, X509Svid};
use super::key::SvidKey;
use super::office::SvidOffice;
use super::subject::{Subject, SvidSubject};
use crate::coordinator::Bundles;
use crate::token::{Life, REFUSED_PAUSE, Standing, catch_up_window, is_refusal, retry_pause};

/// How long the loop sleeps at most while there is something to renew: its timer stands still while the host
/// sleeps, so what fell due meanwhile is noticed as soon after.
const NOTICE_SLEEP_WITHIN: Duration = Duration::from_secs(5);

/// No SVID is asked for more often than this, whatever life the coordinator claims for it and however many
/// calls wait for one: each costs a key here and a signature there.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Time over which a host replaces SVIDs whose authority was withdrawn: at once to whoever waits, and long
/// enough that a hundred hosts do not ask in one instant.
const WITHDRAWN_SPREAD: Duration = Duration::from_secs(1);

/// Keeps the X.509-SVID of one sandbox.
pub(crate) struct SvidKeeper {
    office: SvidOffice,
    subject: SvidSubject,
    stock: watch::Sender<Stock>,
    plan: Mutex<Plan>,
    wake: Notify,
    is_running: AtomicBool,
    stop: CancellationToken,
}

/// When the next attempt is to be made.
#[derive(Debug, Default)]
struct Plan {
    /// `None`: nobody wants one.
    due: Option<Instant>,
    last: Option<Instant>,
    /// Whose it was when it was asked for last.
    asked_for: Option<SpiffeId>,
    /// Failures in a row, of attempts for that one.
    failures: u32,
    /// Asked for since the last attempt that succeeded.
    used: bool,
    held_back: Option<HeldBack>,
}

impl Plan {
    /// When an attempt may be made at the earliest, failures apart.
    fn soonest(&self, now: Instant) -> Instant {
        self.last.map_or(now, |last| now.max(last + ASK_AT_MOST_EVERY))
    }

    /// Looks again in a while, if it is time for an attempt.
    fn put_off(&mut self, now: Instant) {
        self.due = self.due.map(|due| if due <= now { now + NOTICE_SLEEP_WITHIN } else { due });
    }

    /// Begins anew where the attempts so far were for another id, or one for another id was in hand.
    fn turn_to(&mut self, id: &SpiffeId, is_another: bool, now: Instant) {
        let failed_for_another = self.failures > 0 && self.asked_for.as_ref() != Some(id);
        if failed_for_another {
            self.failures = 0;
        }
        if is_another {
            self.due = Some(now);
        } else if failed_for_another {
            self.due = Some(self.soonest(now));
        }
    }
}

impl SvidKeeper {
    /// A keeper that does nothing until it is asked, and ends with `stop`.
    pub(super) fn new(
        office: SvidOffice,
        subject: SvidSubject,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            office,
            subject,
            stock: watch::Sender::default(),
            plan: Mutex::default(),
            wake: Notify::new(),
            is_running: AtomicBool::new(false),
            stop,
        })
    }

    /// Whose SVID it is.
    pub(crate) fn subject(&self) -> &SvidSubject {
        &self.subject
    }

    /// The stock, to be followed for as long as the SVID is wanted. What is in it may be over: see
    /// [`Self::living`]. Where nothing in it is of use, an attempt is begun.
    pub(crate) fn ask(self: &Arc<Self>) -> watch::Receiver<Stock> {
        let stock = self.stock.subscribe();
        let now = self.office.timeline.now();
        let life = stock.borrow().held.as_ref().map(|held| held.life);
        let mut plan = self.plan();
        let life = plan.held_back.as_ref().map(|back| back.svid.life).or(life);
        let standing = life.map_or(Standing::Over, |life| life.standing(now));
        plan.used = true;
        let is_overdue = match standing {
            Standing::Fresh => false,
            // Nobody used it when it was to be renewed.
            Standing::Ageing | Standing::Ending => plan.failures == 0,
            Standing::Over => true,
        };
        if is_overdue {
            let soonest = plan.soonest(now);
            plan.due = Some(match plan.due {
                // The pause after a failure is the same however many ask in it.
                Some(due) if plan.failures > 0 => due,
                Some(due) => due.min(soonest),
                None => soonest,
            });
        }
        drop(plan);
        if !self.is_running.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).keep());
        }
        self.wake.notify_one();
        stock
    }

    /// How many attempts ended before whoever asks now: what they failed with is no answer to it. In the
    /// pause after a failure it is one, since no attempt will be made before the pause is over.
    pub(crate) fn answered(&self, stock: &Stock) -> u64 {
        let now = self.office.timeline.now();
        let plan = self.plan();
        let is_paused = plan.failures > 0 && plan.due.is_some_and(|due| due > now);
        stock.attempts.saturating_sub(u64::from(is_paused))
    }

    /// What of a stock can be handed out now.
    pub(crate) fn living(&self, stock: &Stock) -> Option<Arc<X509Svid>> {
        let now = self.office.timeline.now();
        stock.held.clone().filter(|held| held.life.standing(now) != Standing::Over)
    }

    /// Whether an attempt that is begun now can succeed.
    pub(crate) fn is_connected(&self) -> bool {
        *self.office.connected.borrow()
    }

    async fn keep(self: Arc<Self>) {
        let mut placement = self.subject.changes();
        let mut bundles = self.office.bundles.follow();
        let mut connected = self.office.connected.clone();
        let mut was_connected = *connected.borrow_and_update();
        loop {
            let latest = Instant::now() + NOTICE_SLEEP_WITHIN;
            let next = self.next_look();
            let next = next.map(|next| self.office.timeline.timer(next).min(latest));
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = sleep_until_or_for_ever(next) => {}
                Ok(()) = placement.changed() => {}
                Ok(()) = bundles.changed() => self.check_authority(),
                Ok(()) = connected.changed() => {
                    let is_connected = *connected.borrow_and_update();
                    if is_connected && !was_connected {
                        self.catch_up();
                    }
                    was_connected = is_connected;
                }
            }
            self.release();
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.attempt_if_due() => {}
            }
        }
    }

    /// Makes an attempt if it is time for one and anybody wants it.
    async fn attempt_if_due(&self) {
        let now = self.office.timeline.now();
        let id = match self.subject.now() {
            Subject::Of(id) => id,
            // Nothing new can be had until somebody says whose it is; what is in hand is good to its end.
            Subject::Unknown => {
                self.plan().put_off(now);
                return;
            }
            // What it was is in hand of whoever had it; nothing new comes of it here.
            Subject::Nobody => {
                self.plan().due = None;
                self.take_away(|_held| true);
                return;
            }
        };
        let is_another = self.take_away(|held| held.id != id);
        {
            let mut plan = self.plan();
            plan.turn_to(&id, is_another, now);
            // There was nobody to ask for, and now there is: whoever waited through that still waits.
            if plan.due.is_none() && self.stock.receiver_count() > 0 {
                plan.due = Some(plan.soonest(now));
            }
        }
        let end = self.stock.borrow().held.as_ref().map(|held| held.life.end());
        {
            let mut plan = self.plan();
            if plan.due.is_none_or(|due| due > now) {
                return;
            }
            if !self.is_wanted(&plan) {
                // Kept for what is left of it, in case somebody comes back.
                plan.due = end.filter(|end| *end > now);
                if plan.due.is_none() {
                    drop(plan);
                    self.take_away(|_held| true);
                }
                return;
            }
            (plan.last, plan.asked_for) = (Some(now), Some(id.clone()));
        }
        let result = self.fetch(&id).await;
        self.land(result);
    }

    async fn fetch(&self, id: &SpiffeId) -> Result<X509Svid, IssueError> {
        let (key, request) = SvidKey::generate().map_err(|error| {
            tracing::error!(%error, "no key could be made for an X.509-SVID");
            IssueError::new(ErrorClass::Internal, "no key could be made")
        })?;
        let asked_at = self.office.timeline.now();
        let signed = self.office.signer.sign_x509_svid(self.subject.sandbox(), request).await?;
        if signed.id != *id {
            return Err(IssueError::new(
                ErrorClass::Unavailable,
                "the sandbox's SPIFFE ID is changing; ask again in a moment",
            ));
        }
        let life = Life::new(asked_at, signed.expires_in.duration());
        Ok(X509Svid { id: signed.id, certificates: signed.certificates, key, life })
    }

    fn land(&self, result: Result<X509Svid, IssueError>) {
        let now = self.office.timeline.now();
        let mut plan = self.plan();
        match result {
            Ok(svid) => {
                self.office.metrics.svid_signed();
                let jitter = self.part(svid.life.jitter(self.office.jitter));
                let renewal = svid.life.renewal(jitter).max(now + ASK_AT_MOST_EVERY);
                (plan.due, plan.failures, plan.used) = (Some(renewal), 0, false);
                let since = plan.held_back.take().map_or(now, |back| back.since);
                plan.held_back = Some(HeldBack { svid: Arc::new(svid), since });
                drop(plan);
                self.stock.send_modify(|stock| {
                    (stock.failure, stock.attempts) = (None, stock.attempts + 1);
                });
                self.release();
            }
            Err(error) => {
                self.office.metrics.svid_failed(error.class);
                tracing::debug!(
                    sandbox.id = %self.subject.sandbox(), error.class = error.class.as_str(), %error,
                    "an X.509-SVID was not signed"
                );
                let is_refused = is_refusal(error.class);
                plan.failures = plan.failures.saturating_add(1);
                let pause = if is_refused { REFUSED_PAUSE } else { retry_pause(plan.failures) };
                plan.due = Some(now + pause / 2 + self.part(pause / 2));
                if is_refused {
                    plan.held_back = None;
                }
                drop(plan);
                self.stock.send_modify(|stock| {
                    if is_refused {
                        stock.held = None;
                    }
                    (stock.failure, stock.attempts) = (Some(error), stock.attempts + 1);
                });
            }
        }
    }

    /// When there is something to do, if nobody comes before.
    fn next_look(&self) -> Option<Instant> {
        let is_behind = self.plan().held_back.is_some();
        let end = if is_behind { self.end_of_good() } else { None };
        let plan = self.plan();
        let until = plan.held_back.as_ref().map(|back| back.until(end));
        [plan.due, until].into_iter().flatten().min()
    }

    /// The end of the one in hand, while the bundle has its authority.
    fn end_of_good(&self) -> Option<Instant> {
        let held = self.stock.borrow().held.clone()?;
        let bundles = self.office.bundles.now();
        let is_good = bundles.is_none_or(|bundles| held.has_authority_in(bundles.all()));
        is_good.then(|| held.life.end())
    }

    /// Hands out the one that is held back, if its bundle can be handed out with it or it has waited for long
    /// enough.
    fn release(&self) {
        if self.plan().held_back.is_none() {
            return;
        }
        let (now, end, bundles) =
            (self.office.timeline.now(), self.end_of_good(), self.office.bundles.now());
        let released = self.plan().held_back.take_if(|back| {
            let is_known = |bundles: &Bundles| back.svid.has_authority_in(bundles.all());
            bundles.as_deref().is_none_or(is_known) || now >= back.until(end)
        });
        if let Some(HeldBack { svid, .. }) = released {
            self.stock.send_modify(|stock| stock.held = Some(svid));
        }
    }

    /// Takes what is held, or held back, out of the stock, if it is so; whether any was.
    fn take_away(&self, is_so: impl Fn(&X509Svid) -> bool) -> bool {
        let back = self.plan().held_back.take_if(|back| is_so(&back.svid)).is_some();
        let held = self.stock.send_if_modified(|stock| {
            let taken = stock.held.as_deref().is_some_and(is_so);
            if taken {
                stock.held = None;
            }
            taken
        });
        back || held
    }

    /// Has the one in hand replaced where its authority has left the bundle, and the one that is held back where
    /// the bundle still lacks its: the coordinator may have withdrawn that meanwhile.
    fn check_authority(&self) {
        self.release();
        let due = self.office.timeline.now() + self.part(WITHDRAWN_SPREAD);
        {
            let mut plan = self.plan();
            if plan.held_back.is_some() {
                plan.due = plan.due.map(|planned| planned.min(due));
            }
        }
        let (held, bundles) = (self.stock.borrow().held.clone(), self.office.bundles.now());
        let (Some(held), Some(bundles)) = (held, bundles) else { return };
        if !held.has_authority_in(bundles.all()) {
            tracing::info!(
                sandbox.id = %self.subject.sandbox(),
                "the authority of an X.509-SVID has left the trust bundle"
            );
            self.supersede(WITHDRAWN_SPREAD);
        }
    }

    /// Has the one in hand replaced within `spread`; one that nobody uses is let go.
    fn supersede(&self, spread: Duration) {
        let due = self.office.timeline.now() + self.part(spread);
        let is_wanted = {
            let mut plan = self.plan();
            let is_wanted = self.is_wanted(&plan);
            plan.due = plan.due.filter(|_| is_wanted).map(|planned| planned.min(due));
            is_wanted
        };
        if !is_wanted {
            self.take_away(|_held| true);
        }
    }

    fn is_wanted(&self, plan: &Plan) -> bool {
        plan.used || self.stock.receiver_count() > 0
    }

    /// Makes up for what failed while the coordinator was away, spread as renewals of tokens are.
    fn catch_up(&self) {
        let now = self.office.timeline.now();
        let life = self.stock.borrow().held.as_ref().map(|held| held.life);
        let mut plan = self.plan();
        if plan.failures > 0 && plan.due.is_some() {
            let window = catch_up_window(life, now, self.office.jitter);
            // Whoever waits with nothing in hand does not wait for others as well.
            let window = if life.is_some() { window } else { Duration::ZERO };
            plan.due = Some(now + self.part(window));
            plan.failures = 1;
        }
    }

    fn part(&self, whole: Duration) -> Duration {
        (self.office.random_part)(whole)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep_until_or_for_ever(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
