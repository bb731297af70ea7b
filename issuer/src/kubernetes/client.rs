//! Asks one API server about one token.
//!
//! https, a certificate under the named roots, no redirect, an answer of bounded size, and an end to the time it may
//! take. Our own token is read anew for each question; where the server does not take it (401), once more,
//! since it may have been exchanged in between.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use moneyer_authority::exchange::{ReviewStatus, SubjectSource};
use moneyer_daemon::outbound::{OutboundClient, OutboundError, OutboundPolicy, ServerProof};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::failure::ReviewFailure;
use super::wire;
use crate::bearer_file;

/// Time for one question with all that belongs to it, a wait among others too. What comes then still answers a
/// client within two seconds.
pub(super) const ONE_QUESTION: Duration = Duration::from_millis(1250);

/// Time to connect: an API server is in the same network.
const CONNECT: Duration = Duration::from_secs(1);

/// Longest answer in bytes: it repeats the token, 8 KiB, and has some names and groups beside it.
const MAXIMUM_REVIEW_BYTES: usize = 64 * 1024;

/// Questions at the same time: at 5 ms each more than 6,000 a second, and few against the seats an API server has for
/// all its clients.
const MAXIMUM_QUESTIONS: usize = 32;

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// Asks one API server.
#[derive(Debug)]
pub(super) struct ReviewClient {
    url: String,
    client: OutboundClient,
    bearer_file: Option<PathBuf>,
    seats: Semaphore,
}

impl ReviewClient {
    /// For the API server of this cluster, which is at this address.
    pub(super) fn new(source: &SubjectSource, api_server: &str) -> Result<Self, OutboundError> {
        let roots = source.roots.clone().map(String::into_bytes);
        let proof = roots.map_or(ServerProof::Name, ServerProof::NameUnder);
        let policy = OutboundPolicy {
            connect: CONNECT,
            total: ONE_QUESTION,
            max_body: MAXIMUM_REVIEW_BYTES,
            extra_roots: Vec::new(),
        };
        Ok(Self {
            url: format!("{}{PATH}", api_server.trim_end_matches('/')),
            client: OutboundClient::to_server(&policy, &proof)?,
            bearer_file: source.bearer_file.clone(),
            seats: Semaphore::new(MAXIMUM_QUESTIONS),
        })
    }

    /// What it says of a token for this audience.
    pub(super) async fn review(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<ReviewStatus, ReviewFailure> {
        let deadline = Instant::now() + ONE_QUESTION;
        // That others wait says nothing of the server.
        let seat = timeout_at(deadline, self.seats.acquire()).await;
        let Ok(Ok(_seat)) = seat else { return Err(ReviewFailure::Busy) };
        let asked = timeout_at(deadline, self.ask(token, audience)).await;
        asked.unwrap_or(Err(ReviewFailure::TooSlow(ONE_QUESTION)))
    }

    async fn ask(&self, token: &str, audience: &str) -> Result<ReviewStatus, ReviewFailure> {
        let own = self.own_token().await?;
        let mut answer = self.send(token, audience, own.as_ref()).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let newer = self.own_token().await?;
            if newer == own {
                return Err(ReviewFailure::Unauthorized);
            }
            answer = self.send(token, audience, newer.as_ref()).await?;
        }
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => wire::answer(answer.body(), token),
            StatusCode::UNAUTHORIZED => Err(ReviewFailure::Unauthorized),
            StatusCode::FORBIDDEN => Err(ReviewFailure::Forbidden),
            status => Err(ReviewFailure::Status(status)),
        }
    }

    async fn own_token(&self) -> Result<Option<Zeroizing<String>>, ReviewFailure> {
        match &self.bearer_file {
            Some(file) => bearer_file::read(file).await.map(Some).map_err(ReviewFailure::Bearer),
            None => Ok(None),
        }
    }

    /// A connection that was kept may have been closed just now: a question that was broken off is asked once more,
    /// which changes nothing at the server.
    async fn send(
        &self,
        token: &str,
        audience: &str,
        own: Option<&Zeroizing<String>>,
    ) -> Result<Response<Bytes>, ReviewFailure> {
        let body = Bytes::from(wire::question(token, audience));
        match self.client.exchange(self.request(body.clone(), own)?).await {
            Err(error) if was_broken_off(&error) => {
                let again = self.client.exchange(self.request(body, own)?).await;
                again.map_err(ReviewFailure::Outbound)
            }
            answered => answered.map_err(ReviewFailure::Outbound),
        }
    }

    fn request(
        &self,
        body: Bytes,
        own: Option<&Zeroizing<String>>,
    ) -> Result<Request<Bytes>, ReviewFailure> {
        let odd = |what: &str| ReviewFailure::Bearer(what.to_owned());
        let json = HeaderValue::from_static("application/json");
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, json.clone())
            .header(header::ACCEPT, json);
        if let Some(own) = own {
            let value = Zeroizing::new(format!("Bearer {}", own.trim_ascii()));
            let value = HeaderValue::try_from(value.as_str());
            let mut value = value.map_err(|_not_a_value| odd("it is no text for a header"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(body).map_err(|_no_url| odd("the address of the API server is none"))
    }
}

/// Neither refused, nor too late, nor an answer of a wrong form.
fn was_broken_off(error: &OutboundError) -> bool {
    matches!(error, OutboundError::Fetch(error) if !error.is_connect() && !error.is_timeout())
}

#[cfg(test)]
pub(super) mod tests {
    use moneyer_authority::exchange::{SourceKind, Verification};
    use moneyer_authority::federation::BundleUrl;
    use moneyer_identity::Audience;

    use super::*;

    /// A cluster whose API server is where there is none.
    pub(in crate::kubernetes) fn source() -> SubjectSource {
        let nowhere = BundleUrl::parse("https://127.0.0.1:1").unwrap();
        SubjectSource {
            name: "prod".to_owned(),
            kind: SourceKind::Kubernetes,
            issuer: "https://k.example".to_owned(),
            audiences: vec![Audience::parse("moneyer").unwrap()],
            algorithms: Vec::new(),
            leeway: Duration::ZERO,
            prefix: String::new(),
            verification: Verification::Review(nowhere),
            roots: None,
            bearer_file: None,
        }
    }

    pub(in crate::kubernetes) fn client() -> ReviewClient {
        let source = source();
        let nowhere = source.verification.api_server().unwrap().as_str().to_owned();
        ReviewClient::new(&source, &nowhere).unwrap()
    }

    #[tokio::test]
    async fn a_few_questions_are_asked_at_the_same_time_and_the_others_wait() {
        let client = client();
        let others = u32::try_from(MAXIMUM_QUESTIONS - 1).unwrap();
        let others = client.seats.acquire_many(others).await.unwrap();
        let asked = client.review("token", "moneyer").await;
        assert!(matches!(asked, Err(ReviewFailure::Outbound(_))), "{asked:?}");
        let last = client.seats.acquire().await.unwrap();
        tokio::time::pause();
        let begun = Instant::now();
        let waited = client.review("token", "moneyer").await;
        assert!(matches!(waited, Err(ReviewFailure::Busy)), "{waited:?}");
        // The timer counts whole milliseconds.
        assert!(begun.elapsed() <= ONE_QUESTION + Duration::from_millis(1));
        drop((others, last));
        tokio::time::resume();
        let asked = client.review("token", "moneyer").await;
        assert!(matches!(asked, Err(ReviewFailure::Outbound(_))), "{asked:?}");
    }
}
