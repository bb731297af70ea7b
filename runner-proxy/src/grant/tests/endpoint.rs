//! A token endpoint, and everything a cache of tokens is made with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use moneyer_daemon::oauth::{ClientAssertion, OAuthClient};
use moneyer_identity::grant::{
    AssertionType, BearerToken, Destination, GrantKind, GrantScope, HeaderPlacement, TokenEndpoint,
    TokenGrant, TokenType,
};
use moneyer_identity::{
    Audience, CredentialName, ErrorClass, IssueError, ProviderName, SystemClock,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::coordinator::Occupant;
use crate::fakes::{FakeLines, sandbox};
use crate::grant::{
    AssertionError, Assertions, GrantError, GrantKey, Grantor, Holder, SubjectTokens, TokenCache,
    TokenSource as _,
};
use crate::metrics::Metrics;
use crate::token::Timeline;

/// Answers as it is told, by default with numbered tokens.
#[derive(Clone)]
pub(crate) struct FakeEndpoint {
    pub(crate) url: String,
    pub(crate) forms: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    /// Without one an answer waits.
    pub(crate) turns: Arc<Semaphore>,
}

impl FakeEndpoint {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let turns = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let endpoint = Self { url, forms: Arc::default(), answers: Arc::default(), turns };
        let own = endpoint.clone();
        let router = Router::new().fallback(move |request: Request| {
            let own = own.clone();
            async move { own.answer(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    /// Answers once with this.
    pub(crate) fn then(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push_back((status, body.to_owned()));
    }

    /// Answers as usual again.
    pub(crate) fn recover(&self) {
        self.answers.lock().unwrap().clear();
    }

    pub(crate) fn asked(&self) -> usize {
        self.forms.lock().unwrap().len()
    }

    async fn answer(&self, request: Request) -> Response {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        assert_eq!(kind.unwrap(), "application/x-www-form-urlencoded");
        assert!(!request.headers().contains_key(header::AUTHORIZATION));
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let number = {
            let mut forms = self.forms.lock().unwrap();
            forms.push(format!("{path} {}", String::from_utf8_lossy(&body)));
            forms.len()
        };
        self.turns.acquire().await.unwrap().forget();
        let told = self.answers.lock().unwrap().pop_front();
        let usual = || (200, format!(r#"{{"access_token":"token-{number}","expires_in":300}}"#));
        let (status, body) = told.unwrap_or_else(usual);
        let status = StatusCode::from_u16(status).unwrap();
        if status.is_redirection() {
            return (status, [(header::LOCATION, body)]).into_response();
        }
        (status, body).into_response()
    }
}

/// Says who asks, and for what audience.
pub(crate) struct FakeAssertions;

#[async_trait]
impl Assertions for FakeAssertions {
    async fn jwt_svid(
        &self,
        holder: &Holder,
        audience: &Audience,
    ) -> Result<ClientAssertion, AssertionError> {
        if holder.sandbox.as_str() == "nobody" {
            return Err(AssertionError::NoIdentity);
        }
        Ok(ClientAssertion::new(format!("svid of {} for {audience}", holder.sandbox)))
    }
}

/// Readdresses the token of one user.
pub(crate) struct FakeSubjects;

#[async_trait]
impl SubjectTokens for FakeSubjects {
    async fn readdressed(
        &self,
        holder: &Holder,
        grant: &TokenGrant,
        assertion: &ClientAssertion,
    ) -> Result<BearerToken, IssueError> {
        if grant.provider.as_str() == "detached" {
            return Err(IssueError::new(ErrorClass::Denied, "not attached"));
        }
        assert!(assertion.expose().starts_with("svid of"));
        Ok(BearerToken::parse(format!("user-for-{}", holder.sandbox)).unwrap())
    }
}

/// A cache before a token endpoint.
pub(crate) struct World {
    pub(crate) endpoint: FakeEndpoint,
    pub(crate) cache: TokenCache,
    pub(crate) recorded: Arc<FakeLines>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let (recorded, cache) = cache_of(Arc::new(FakeAssertions));
        Self { endpoint: FakeEndpoint::start().await, cache, recorded }
    }

    pub(crate) fn key(&self) -> GrantKey {
        key(&self.endpoint.url)
    }

    pub(crate) async fn token(&self, key: &GrantKey) -> Result<String, Arc<GrantError>> {
        let token = self.cache.token(key.clone(), &destination()).await?;
        Ok(token.expose().to_owned())
    }
}

/// A cache that holds nothing yet, with assertions from there.
pub(super) fn cache_of(assertions: Arc<dyn Assertions>) -> (Arc<FakeLines>, TokenCache) {
    let grantor = Grantor {
        assertions,
        subjects: Arc::new(FakeSubjects),
        client: OAuthClient::new(Vec::new()).unwrap(),
        clock: Arc::new(SystemClock),
    };
    let timeline = Timeline::new(|| std::time::Duration::ZERO);
    let (recorded, audit) = FakeLines::audit();
    (recorded, TokenCache::new(grantor, audit, timeline, Metrics::new()))
}

/// Where tokens are used.
pub(super) fn destination() -> Destination {
    Destination::parse("api.test", 443).unwrap()
}

pub(crate) fn key(url: &str) -> GrantKey {
    let endpoint = TokenEndpoint::parse(url).unwrap();
    let holder = Holder { sandbox: sandbox("s"), occupant: Occupant::of_app("web") };
    let grant = TokenGrant {
        provider: ProviderName::parse("demo").unwrap(),
        credential: CredentialName::parse("token").unwrap(),
        svid_audience: endpoint.default_svid_audience(),
        endpoint: Some(endpoint),
        kind: GrantKind::ClientCredentials,
        audience: Some(Audience::parse("alpha").unwrap()),
        scopes: vec![GrantScope::parse("alpha").unwrap(), GrantScope::parse("beta").unwrap()],
        assertion_type: AssertionType::default(),
        cache_ttl: None,
        requested_token_type: TokenType::default(),
        placement: HeaderPlacement::default(),
    };
    GrantKey { holder, revision: "1".to_owned(), grant }
}
