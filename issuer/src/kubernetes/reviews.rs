//! Asks API servers, as seldom as can be.
//!
//! A question is a task of its own, which no caller owns: whoever shows the same token meanwhile waits for the same
//! answer, and a caller that goes away takes nothing from the others. What was answered a moment ago is answered from
//! memory, and while a server is away that is all there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moneyer_authority::Authority;
use moneyer_authority::exchange::{ReviewStatus, SubjectError, UnreviewedSubject};
use moneyer_daemon::outbound::OutboundError;
use tokio::time::{Instant, interval, timeout_at};
use zeroize::Zeroizing;

use super::breaker::{Breaker, LEFT_ALONE};
use super::client::ReviewClient;
use super::failure::ReviewFailure;
use super::flights::{Flight, Flights, Landing};
use super::memory::{KeptFor, Key, Memory};
use super::standing::{Away, Standing};
use crate::metrics::{AnsweredBy, Metrics, Reviewed};

/// What is asked about to learn whether a server answers: a text that is no token, so that nothing is learned but that.
const NO_TOKEN: &str = "moneyer-asks-whether-you-answer";

/// Asks API servers about tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct TokenReviews {
    servers: Arc<BTreeMap<String, Arc<ApiServer>>>,
    metrics: Metrics,
}

/// One API server, and what is known of it.
#[derive(Debug)]
struct ApiServer {
    client: ReviewClient,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    memory: Memory,
    flights: Flights,
    breaker: Breaker,
    standing: Standing,
}

impl TokenReviews {
    /// Of every API server that this authority needs.
    pub(crate) fn new(
        authority: &Authority,
        kept_for: KeptFor,
        metrics: &Metrics,
    ) -> Result<Self, OutboundError> {
        let mut servers = BTreeMap::new();
        for source in authority.subject_sources().list() {
            let Some(url) = source.verification.api_server() else { continue };
            let state = State {
                memory: Memory::new(kept_for),
                flights: Flights::default(),
                breaker: Breaker::default(),
                standing: Standing::new(&source.name),
            };
            let client = ReviewClient::new(source, url.as_str())?;
            let server = ApiServer { client, state: Mutex::new(state) };
            servers.insert(source.name.clone(), Arc::new(server));
        }
        Ok(Self { servers: Arc::new(servers), metrics: metrics.clone() })
    }

    /// What the API server of its cluster says of a token, before this moment.
    pub(crate) async fn review(
        &self,
        subject: &UnreviewedSubject,
        token: &str,
        deadline: Instant,
    ) -> Result<Arc<ReviewStatus>, SubjectError> {
        let told = |failure: &ReviewFailure| subject.not_reviewed(crate::chain(failure));
        let Some(server) = self.servers.get(subject.cluster()) else {
            return Err(told(&ReviewFailure::Interrupted));
        };
        let asked = self.answer(server, subject, token).map_err(|failure| told(&failure))?;
        let mut flight = match asked {
            Asked::Known(status) => return Ok(status),
            Asked::Flying(flight) => flight,
        };
        let landed = timeout_at(deadline, flight.wait_for(Option::is_some)).await;
        let late = || told(&ReviewFailure::TooSlow(super::client::ONE_QUESTION));
        let landed = landed.map_err(|_over| late())?;
        match landed.as_deref() {
            Ok(Some(Ok(status))) => Ok(Arc::clone(status)),
            Ok(Some(Err(failure))) => Err(told(failure)),
            Ok(None) | Err(_) => Err(told(&ReviewFailure::Interrupted)),
        }
    }

    /// What is known, or a question that others ask too, or one that is begun.
    fn answer(
        &self,
        server: &Arc<ApiServer>,
        subject: &UnreviewedSubject,
        token: &str,
    ) -> Result<Asked, ReviewFailure> {
        let (key, now) = (Key::of(subject), Instant::now());
        let mut state = server.state();
        if let Some(status) = state.memory.find(&key, now) {
            self.metrics.review_answered_by(AnsweredBy::Memory);
            return Ok(Asked::Known(status));
        }
        if let Some(flight) = state.flights.find(&key) {
            self.metrics.review_answered_by(AnsweredBy::SameQuestion);
            return Ok(Asked::Flying(flight));
        }
        state.flights.check()?;
        if !state.breaker.admit(now) {
            let cause = state.away().map(|away| away.cause).unwrap_or_default();
            return Err(ReviewFailure::LeftAlone(cause));
        }
        self.metrics.review_answered_by(AnsweredBy::ApiServer);
        let (landing, flight) = state.flights.begin(key.clone());
        drop(state);
        let subject = subject.clone();
        let question = Question { server: Arc::clone(server), subject, key, landing };
        let (token, metrics) = (Zeroizing::new(token.to_owned()), self.metrics.clone());
        tokio::spawn(async move {
            let audience = question.subject.audience().as_str();
            let asked = server_says(&question.server, &token, audience, &metrics).await;
            question.land(asked);
        });
        Ok(Asked::Flying(flight))
    }

    /// The API servers that did not answer the last question.
    pub(crate) fn away(&self) -> Vec<Away> {
        self.servers.values().filter_map(|server| server.state().away()).collect()
    }

    /// Whether any is asked at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Asks each at start, so that what it lacks is known before a client comes, and each that does not answer every
    /// few seconds, so that it is known when it does. Runs until it is dropped.
    pub(crate) async fn watch(self) {
        let mut every = interval(LEFT_ALONE);
        let mut first = true;
        loop {
            every.tick().await;
            for server in self.servers.values() {
                let due = {
                    let mut state = server.state();
                    (first || state.away().is_some()) && state.breaker.admit(Instant::now())
                };
                if due {
                    let server = Arc::clone(server);
                    tokio::spawn(async move {
                        let asked = server.client.review(NO_TOKEN, NO_TOKEN).await;
                        server.note(asked.as_ref().err());
                    });
                }
            }
            first = false;
        }
    }
}

impl State {
    fn away(&self) -> Option<Away> {
        self.standing.away(self.breaker.is_open())
    }
}

enum Asked {
    Known(Arc<ReviewStatus>),
    Flying(Flight),
}

async fn server_says(
    server: &ApiServer,
    token: &str,
    audience: &str,
    metrics: &Metrics,
) -> Result<ReviewStatus, ReviewFailure> {
    let since = Instant::now();
    let asked = server.client.review(token, audience).await;
    metrics.reviewed(
        since,
        match &asked {
            Ok(status) if status.authenticated => Reviewed::Authenticated,
            Ok(_) => Reviewed::Refused,
            Err(_) => Reviewed::Failed,
        },
    );
    asked
}

impl ApiServer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, failure: Option<&ReviewFailure>) {
        let mut state = self.state();
        match failure {
            None => {
                state.breaker.answered();
                state.standing.answered();
            }
            Some(failure) if failure.is_of_the_server() => {
                state.breaker.failed(Instant::now());
                state.standing.failed(crate::chain(failure));
            }
            Some(_) => {}
        }
    }
}

/// A question that is being asked.
struct Question {
    server: Arc<ApiServer>,
    subject: UnreviewedSubject,
    key: Key,
    landing: Landing,
}

impl Question {
    /// Keeps the answer, and tells all who wait.
    fn land(self, asked: Result<ReviewStatus, ReviewFailure>) {
        self.server.note(asked.as_ref().err());
        let outcome = asked.map(|status| self.learn(Arc::new(status))).map_err(Arc::new);
        self.landing.send_replace(Some(outcome));
    }

    /// What is known now: what was answered, unless a refusal was learned since it was asked.
    fn learn(&self, status: Arc<ReviewStatus>) -> Arc<ReviewStatus> {
        let (weight, now) = (self.subject.weigh(&status), Instant::now());
        let mut state = self.server.state();
        if status.authenticated && state.flights.is_overtaken(&self.key, &self.landing) {
            return state.memory.find(&self.key, now).unwrap_or(status);
        }
        let pod_is_gone = state.memory.keep(self.key.clone(), &status, weight, now);
        if !status.authenticated {
            state.flights.overtake(&self.key, pod_is_gone);
        }
        status
    }
}

impl Drop for Question {
    /// Whatever came of it, the next one asks anew.
    fn drop(&mut self) {
        self.server.state().flights.end(&self.key, &self.landing);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use moneyer_authority::exchange::{Examined, Purpose, SubjectSource, SubjectSources};
    use moneyer_identity::{Audience, UnixTime};
    use serde_json::json;

    use super::*;
    use crate::kubernetes::client::tests::{client, source};

    /// A token that names two audiences, of which this one is asked about.
    fn subject(audience: &str) -> UnreviewedSubject {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({
            "iss": source().issuer, "sub": "system:serviceaccount:ns1:sa1", "aud": ["a", "b"],
            "exp": 2000, "kubernetes.io": { "pod": { "name": "p", "uid": "u" } },
        });
        let header = json!({ "alg": "RS256", "kid": "k1" });
        let token =
            format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([0; 256]));
        let audiences = vec![Audience::parse(audience).unwrap()];
        let sources = SubjectSources::new(vec![SubjectSource { audiences, ..source() }]).unwrap();
        let examined =
            Examined::of(&token, &sources, Purpose::Exchange, |_| None, UnixTime(1000)).unwrap();
        let Examined::Unreviewed(subject) = examined else { panic!("it is not asked about") };
        subject
    }

    fn begun(server: &Arc<ApiServer>, audience: &str) -> (Question, Flight) {
        let subject = subject(audience);
        let key = Key::of(&subject);
        let (landing, flight) = server.state().flights.begin(key.clone());
        (Question { server: Arc::clone(server), subject, key, landing }, flight)
    }

    fn good(audience: &str) -> ReviewStatus {
        let pod = ["pod-name", "pod-uid"].into_iter().zip(["p", "u"]);
        let extra = pod.map(|(name, value)| {
            (format!("authentication.kubernetes.io/{name}"), vec![value.to_owned()])
        });
        ReviewStatus {
            authenticated: true,
            audiences: vec![audience.to_owned()],
            username: "system:serviceaccount:ns1:sa1".to_owned(),
            uid: "sa1-uid".to_owned(),
            groups: vec!["system:serviceaccounts".to_owned()],
            extra: extra.collect(),
            error: String::new(),
        }
    }

    fn server() -> Arc<ApiServer> {
        let kept_for = KeptFor { good: Duration::from_secs(10), refused: Duration::from_secs(5) };
        let state = State {
            memory: Memory::new(kept_for),
            flights: Flights::default(),
            breaker: Breaker::default(),
            standing: Standing::new("prod"),
        };
        Arc::new(ApiServer { client: client(), state: Mutex::new(state) })
    }

    #[tokio::test]
    async fn a_yes_that_comes_after_a_no_and_was_asked_for_before_it_is_not_kept() {
        let server = server();
        let find = |audience: &str| {
            server.state().memory.find(&Key::of(&subject(audience)), Instant::now())
        };
        let (slow, _waits) = begun(&server, "a");
        let refusal =
            ReviewStatus { error: "invalid bearer token".to_owned(), ..Default::default() };
        begun(&server, "b").0.land(Ok(refusal));
        slow.land(Ok(good("a")));
        assert_eq!(find("a"), None, "it was overtaken");
        // One that was begun since is.
        begun(&server, "a").0.land(Ok(good("a")));
        assert!(find("a").unwrap().authenticated);
    }

    #[tokio::test]
    async fn who_waits_for_a_yes_while_the_pod_is_known_to_be_gone_is_told_no() {
        let server = server();
        begun(&server, "b").0.land(Ok(good("b")));
        let (slow, waits) = begun(&server, "a");
        let gone =
            ReviewStatus { error: "Token has been invalidated".to_owned(), ..Default::default() };
        begun(&server, "b").0.land(Ok(gone));
        slow.land(Ok(good("a")));
        let told = waits.borrow().clone().unwrap().unwrap();
        assert!(!told.authenticated, "{told:?}");
    }
}
