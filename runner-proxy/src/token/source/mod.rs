//! The one way to a token on this host.
//!
//! However many ask for the same token, it is fetched once; what is cached is served at once, also
//! while the coordinator is away; what falls due is renewed in the background in batches. Fetching
//! goes on when whoever asked has gone, since others may wait for the same token and the next
//! request will want it. Nothing is removed because of a failure; only a refusal, which is a
//! decision of the coordinator, takes a token away before its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{ErrorClass, IssueError, MintedToken, SandboxId, TokenRequest};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::coordinator::KnownPlacement;
use crate::metrics::{CacheAnswer, Metrics};
use crate::token::batch::{BatchIssuer, MAXIMUM_BATCH};
use crate::token::cache::{
    Cache, CacheLimits, Flight, Held, Landing, Look, Ticket, TokenState, not_attached,
};
use crate::token::fingerprint::{Fingerprint, TokenForm};
use crate::token::timeline::Timeline;

/// How long the renewal loop sleeps at most. Its timer stands still while the host sleeps, so what fell
/// due meanwhile is noticed as soon after.
const NOTICE_SLEEP_WITHIN: Duration = Duration::from_secs(5);

/// What a sandbox is told that asks for a token with which its grants are obtained.
const GRANTS_AUDIENCE: &str = "the audience is that of a token endpoint of the sandbox's grants: the runner proxy alone \
                               shows tokens there";

/// Where the tokens of files go.
pub(crate) trait TokenSink: Send + Sync {
    /// Shows a token in every file that asks for it.
    fn put(&self, request: &TokenRequest, token: &MintedToken) -> std::io::Result<()>;
    /// Removes every file that shows the token of this request.
    fn remove(&self, request: &TokenRequest);
}

/// The source. Clones share everything.
#[derive(Clone)]
pub(crate) struct TokenSource {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: Arc<dyn BatchIssuer>,
    sink: Arc<dyn TokenSink>,
    placement: Arc<KnownPlacement>,
    cache: Mutex<Cache>,
    wake: Notify,
    metrics: Metrics,
    timeline: Timeline,
}

impl TokenSource {
    /// A source that holds nothing yet. `placement` says whose JWT-SVIDs are renewed. `random_part` draws a
    /// random part of a duration.
    pub(crate) fn new(
        issuer: Arc<dyn BatchIssuer>,
        sink: Arc<dyn TokenSink>,
        placement: Arc<KnownPlacement>,
        (limits, random_part): (CacheLimits, fn(Duration) -> Duration),
        timeline: Timeline,
        metrics: Metrics,
    ) -> Self {
        let (cache, wake) = (Mutex::new(Cache::new(limits, random_part)), Notify::new());
        Self {
            shared: Arc::new(Shared { issuer, sink, placement, cache, wake, metrics, timeline }),
        }
    }

    /// Begins to hold tokens for a sandbox: those its files show, with what is already there of
    /// them, and from now on whatever is asked for. Missing ones are fetched within `spread`.
    pub(crate) fn admit(
        &self,
        sandbox: &SandboxId,
        files: Vec<(TokenRequest, Option<Held>)>,
        spread: Duration,
    ) {
        let files = files.into_iter().map(|(file, held)| (Fingerprint::oidc(file), held));
        self.cache().admit(sandbox, files.collect(), self.shared.timeline.now(), spread);
        self.shared.wake.notify_one();
    }

    /// Replaces every token, those that files show within `spread`.
    pub(crate) fn supersede(&self, spread: Duration) {
        self.cache().supersede(self.shared.timeline.now(), spread);
        self.shared.wake.notify_one();
    }

    /// Forgets a sandbox and all its tokens.
    pub(crate) fn retire(&self, sandbox: &SandboxId) {
        self.cache().retire(sandbox);
    }

    /// The states of the tokens that a sandbox's files show.
    pub(crate) fn states(&self, sandbox: &SandboxId) -> Vec<(TokenRequest, TokenState)> {
        let states = self.cache().states(sandbox, self.shared.timeline.now());
        states.into_iter().map(|(file, state)| (file.asked, state)).collect()
    }

    /// The least life left of any file's token.
    pub(crate) fn least_life_of_files(&self) -> Option<Duration> {
        self.cache().least_life_of_files(self.shared.timeline.now())
    }

    /// A token for an attached sandbox, for itself.
    pub(crate) async fn token(
        &self,
        request: TokenRequest,
    ) -> Result<Arc<MintedToken>, IssueError> {
        self.check_audiences(&request)?;
        self.find(&Fingerprint::oidc(request)).await
    }

    /// A JWT-SVID for an attached sandbox whose SPIFFE ID this is, for itself.
    pub(crate) async fn jwt_svid(
        &self,
        id: SpiffeId,
        request: TokenRequest,
    ) -> Result<Arc<MintedToken>, IssueError> {
        self.check_audiences(&request)?;
        self.assertion(id, request).await
    }

    /// The same for this proxy, which shows it at a token endpoint of the sandbox's grants and never to the sandbox.
    pub(crate) async fn assertion(
        &self,
        id: SpiffeId,
        request: TokenRequest,
    ) -> Result<Arc<MintedToken>, IssueError> {
        self.find(&Fingerprint::jwt_svid(id, request)).await
    }

    /// A sandbox that held the assertion of a grant could ask the token endpoint itself, for whatever it liked.
    fn check_audiences(&self, request: &TokenRequest) -> Result<(), IssueError> {
        if self.shared.placement.has_a_grant_by(&request.sandbox, &request.audiences) {
            return Err(IssueError::new(ErrorClass::Denied, GRANTS_AUDIENCE));
        }
        Ok(())
    }

    async fn find(&self, wanted: &Fingerprint) -> Result<Arc<MintedToken>, IssueError> {
        // Bound first: the lock must not live as long as the match.
        let look = self.cache().look(wanted, self.shared.timeline.now());
        let (flight, begun, fallback) = match look {
            Look::Serve { held, wake } => {
                if wake {
                    self.shared.wake.notify_one();
                }
                self.shared.metrics.answered(CacheAnswer::Cached);
                return Ok(held.token);
            }
            Look::NotAttached => return Err(not_attached()),
            Look::Busy => return Err(busy()),
            Look::Wait { flight, begun, fallback } => (flight, begun, fallback),
        };
        if let Some(ticket) = begun {
            self.shared.metrics.answered(CacheAnswer::Fetched);
            let source = self.clone();
            tokio::spawn(async move { source.fetch_one(ticket).await });
        } else {
            self.shared.metrics.answered(CacheAnswer::Joined);
        }
        Ok(self.wait(flight, fallback).await?.token)
    }

    /// Tokens for files that are about to be shown, one result for each request, in as few calls as can
    /// be. What is cached or under way is not fetched again. A sandbox that is not attached yet has no
    /// place in the cache: what is fetched for it is the caller's to [admit](Self::admit).
    pub(crate) async fn fetch_now(
        &self,
        requests: Vec<TokenRequest>,
    ) -> Vec<Result<Held, IssueError>> {
        let mut seats = Vec::with_capacity(requests.len());
        let (mut tickets, mut strangers) = (Vec::new(), Vec::new());
        for request in requests {
            let wanted = Fingerprint::oidc(request);
            let look = self.cache().look(&wanted, self.shared.timeline.now());
            seats.push(match look {
                Look::Serve { held, wake } => {
                    if wake {
                        self.shared.wake.notify_one();
                    }
                    Seat::Known(Ok(held))
                }
                Look::Busy => Seat::Known(Err(busy())),
                Look::Wait { flight, begun, fallback } => {
                    tickets.extend(begun);
                    Seat::Flight(flight, fallback)
                }
                Look::NotAttached => {
                    strangers.push(wanted.asked);
                    Seat::Stranger
                }
            });
        }
        while !tickets.is_empty() {
            let rest = tickets.split_off(tickets.len().min(MAXIMUM_BATCH));
            self.fetch_batch(std::mem::replace(&mut tickets, rest)).await;
        }
        let mut fetched = self.fetch_for_strangers(&strangers).await.into_iter();
        let mut results = Vec::with_capacity(seats.len());
        for seat in seats {
            results.push(match seat {
                Seat::Known(result) => result,
                Seat::Flight(flight, fallback) => self.wait(flight, fallback).await,
                Seat::Stranger => fetched.next().unwrap_or_else(|| Err(no_result())),
            });
        }
        results
    }

    async fn fetch_for_strangers(
        &self,
        requests: &[TokenRequest],
    ) -> Vec<Result<Held, IssueError>> {
        let mut fetched = Vec::with_capacity(requests.len());
        for batch in requests.chunks(MAXIMUM_BATCH) {
            let asked_at = self.shared.timeline.now();
            let results = self.issue(batch.to_vec()).await;
            fetched.extend(results.into_iter().map(|result| Ok(Held::new(result?, asked_at))));
        }
        fetched
    }

    /// Renews until `stop`. `connected` tells whether the coordinator can be reached; when it comes
    /// back, what was missed is made up for, spread over the jitter.
    pub(crate) async fn renew(self, mut connected: watch::Receiver<bool>, stop: CancellationToken) {
        let mut was_connected = *connected.borrow_and_update();
        loop {
            let next = self.cache().next_due();
            let latest = Instant::now() + NOTICE_SLEEP_WITHIN;
            let next = next.map_or(latest, |due| self.shared.timeline.timer(due).min(latest));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep_until(next) => {}
                Ok(()) = connected.changed() => {
                    let is_connected = *connected.borrow_and_update();
                    if is_connected && !was_connected {
                        self.cache().catch_up(self.shared.timeline.now());
                    }
                    was_connected = is_connected;
                    continue;
                }
            }
            loop {
                let batch = self.take_due();
                if batch.is_empty() || stop.is_cancelled() {
                    break;
                }
                self.fetch_batch(batch).await;
            }
        }
    }

    /// A batch of what is due, without JWT-SVIDs for an id that is the sandbox's no more.
    fn take_due(&self) -> Vec<Ticket> {
        let is_void = |request: &Fingerprint| match &request.form {
            TokenForm::Oidc => false,
            TokenForm::JwtSvid(id) => self.shared.placement.denies(request.sandbox(), id),
        };
        self.cache().take_due(self.shared.timeline.now(), MAXIMUM_BATCH, is_void)
    }

    async fn fetch_one(&self, ticket: Ticket) {
        let asked_at = self.shared.timeline.now();
        let asked = ticket.request.asked.clone();
        let result = match &ticket.request.form {
            TokenForm::Oidc => self.shared.issuer.issue_token(asked).await,
            TokenForm::JwtSvid(id) => {
                of_subject(id, self.shared.issuer.issue_jwt_svid(asked).await)
            }
        };
        self.count(&ticket.request.asked, &result);
        self.land(ticket, asked_at, result);
    }

    /// Tokens in one call, and beside it JWT-SVIDs in a call each: there is none for many.
    async fn fetch_batch(&self, tickets: Vec<Ticket>) {
        let is_oidc = |ticket: &Ticket| ticket.request.form == TokenForm::Oidc;
        let (tokens, svids): (Vec<_>, Vec<_>) = tickets.into_iter().partition(is_oidc);
        let svids = svids.into_iter().map(|ticket| self.fetch_one(ticket));
        tokio::join!(self.fetch_tokens(tokens), join_all(svids));
    }

    async fn fetch_tokens(&self, tickets: Vec<Ticket>) {
        if tickets.is_empty() {
            return;
        }
        let asked_at = self.shared.timeline.now();
        let results =
            self.issue(tickets.iter().map(|ticket| ticket.request.asked.clone()).collect());
        for (ticket, result) in tickets.into_iter().zip(results.await) {
            self.land(ticket, asked_at, result);
        }
    }

    /// One result for each request, in their order.
    async fn issue(&self, requests: Vec<TokenRequest>) -> Vec<Result<MintedToken, IssueError>> {
        let wanted = requests.len();
        let results: Vec<_> = match self.shared.issuer.issue_tokens(requests.clone()).await {
            // An answer that is too short leaves failures, not waiters that wait for ever.
            Ok(results) => {
                let missing = std::iter::repeat_with(|| Err(no_result()));
                results.into_iter().chain(missing).take(wanted).collect()
            }
            Err(error) => vec![Err(error); wanted],
        };
        requests.iter().zip(&results).for_each(|(request, result)| self.count(request, result));
        results
    }

    fn count(&self, request: &TokenRequest, result: &Result<MintedToken, IssueError>) {
        match result {
            Ok(_) => self.shared.metrics.minted(),
            Err(error) => {
                self.shared.metrics.mint_failed(error.class);
                tracing::debug!(
                    sandbox.id = %request.sandbox, error.class = error.class.as_str(), %error,
                    "a token was not minted"
                );
            }
        }
    }

    fn land(&self, ticket: Ticket, asked_at: Instant, result: Result<MintedToken, IssueError>) {
        let request = ticket.request.clone();
        let landing = self.cache().land(ticket, asked_at, result, self.shared.timeline.now());
        match landing {
            Landing::Write(token) => self.show(&request, &token),
            Landing::Remove => {
                tracing::warn!(
                    sandbox.id = %request.sandbox(), token.audience = ?request.asked.audiences,
                    "the coordinator refuses the token of a file; the file is removed"
                );
                self.shared.sink.remove(&request.asked);
            }
            Landing::Leave => {}
        }
    }

    fn show(&self, request: &Fingerprint, token: &MintedToken) {
        if let Err(error) = self.shared.sink.put(&request.asked, token) {
            self.shared.metrics.file_failed();
            tracing::error!(
                sandbox.id = %request.sandbox(), %error,
                "a token file could not be written; the old one stays, and it is tried again"
            );
            self.cache().retry_file(request, self.shared.timeline.now());
        }
    }

    async fn wait(&self, flight: Flight, fallback: Option<Held>) -> Result<Held, IssueError> {
        let outcome = flight.await.unwrap_or_else(|_gone| Err(no_result()));
        match (outcome, fallback) {
            (Err(error), Some(held))
                if is_away(error.class)
                    && !held.life.remaining(self.shared.timeline.now()).is_zero() =>
            {
                Ok(held)
            }
            (outcome, _) => outcome,
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // The cache is whole after each of its calls, so a panic elsewhere cannot have torn it.
        self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the token of one request comes from.
enum Seat {
    Known(Result<Held, IssueError>),
    Flight(Flight, Option<Held>),
    Stranger,
}

/// A JWT-SVID, if it is for the id that was meant: the coordinator may have given the sandbox another one
/// that is not known here yet.
fn of_subject(
    meant: &SpiffeId,
    result: Result<(SpiffeId, MintedToken), IssueError>,
) -> Result<MintedToken, IssueError> {
    match result? {
        (id, minted) if id == *meant => Ok(minted),
        _another => Err(IssueError::new(
            ErrorClass::Unavailable,
            "the sandbox's SPIFFE ID is changing; ask again in a moment",
        )),
    }
}

/// Whether a failure says only that no answer could be had.
fn is_away(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Unavailable
            | ErrorClass::Exhausted
            | ErrorClass::Internal
            | ErrorClass::Unauthenticated
    )
}

fn busy() -> IssueError {
    IssueError::new(
        ErrorClass::Exhausted,
        "the sandbox has too many requests for new tokens under way",
    )
}

fn no_result() -> IssueError {
    IssueError::new(ErrorClass::Internal, "the request for a token ended without a result")
}

#[cfg(test)]
mod tests;
