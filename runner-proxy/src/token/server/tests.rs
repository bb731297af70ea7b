//! The server by URL: every status, on both doors.

use axum::body::Body;
use http::{Request as HttpRequest, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::coordinator::Occupant;
use crate::fakes::{FakeIssuer, FakeSink, Mode, sandbox};
use crate::metrics::Metrics;
use crate::sandbox::SandboxSecret;
use crate::token::{CacheLimits, Timeline};
use moneyer_identity::ErrorClass;

struct Bench {
    issuer: FakeIssuer,
    server: TokenServer,
    secrets: [SandboxSecret; 2],
    _state: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Bench {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let issuer = FakeIssuer::new();
        let limits = CacheLimits {
            per_sandbox: 64,
            total: 100,
            under_way: 8,
            jitter: std::time::Duration::ZERO,
        };
        let placement = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let placement = Arc::new(placement);
        let source = TokenSource::new(
            Arc::new(issuer.clone()),
            Arc::new(FakeSink::default()),
            Arc::clone(&placement),
            (limits, |_| std::time::Duration::ZERO),
            Timeline::new(|| std::time::Duration::ZERO),
            Metrics::new(),
        );
        let random = || SandboxSecret::random().unwrap();
        let secrets = [random(), random()];
        let credentials = Credentials::new(random());
        for (id, secret) in ["a", "b"].into_iter().zip(&secrets) {
            source.admit(&sandbox(id), vec![], std::time::Duration::ZERO);
            credentials.insert(sandbox(id), secret.clone(), Occupant::of_app("web"));
        }
        let server = TokenServer {
            source,
            credentials: Arc::new(credentials),
            placement,
            hosts: Arc::new(AllowedHosts::with([])),
        };
        Self { issuer, server, secrets, _state: state }
    }

    async fn send(
        &self,
        router: Router,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = HttpRequest::builder().method(method).uri(target);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        assert_eq!(head.headers["cache-control"], "no-store", "{target}");
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            // HEAD has none.
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    async fn socket(&self, target: &str) -> Answer {
        self.send(self.server.on_socket_of(sandbox("a")), "GET", target, &[]).await
    }

    async fn tcp(&self, target: &str, authorization: Option<&str>) -> Answer {
        let headers: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        self.send(self.server.on_tcp(), "GET", target, &headers).await
    }

    fn bearer(&self, sandbox: usize) -> String {
        format!("Bearer {}", self.secrets[sandbox].expose())
    }
}

#[tokio::test]
async fn the_socket_answers_with_a_token() {
    let bench = Bench::new();
    let answer = bench.socket("/v1/token?audience=sts.amazonaws.com&ttl=900").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, serde_json::json!({ "value": "token-1" }));
    assert_eq!(answer.headers["content-type"], "application/json");
    let asked = &bench.issuer.calls()[0].requests[0];
    assert_eq!((asked.sandbox.as_str(), asked.audiences[0].as_str()), ("a", "sts.amazonaws.com"));
    assert_eq!(asked.lifetime.unwrap().seconds(), 900);
    assert_eq!(bench.socket("/v1/token").await.body["value"], "token-2");
    assert_eq!(bench.socket("/v1/token").await.body["value"], "token-2");
}

#[tokio::test]
async fn lifetimes_out_of_range_are_told_the_range() {
    let bench = Bench::new();
    for ttl in ["59", "86401", "abc", "", "-1", "1e3"] {
        let answer = bench.socket(&format!("/v1/token?ttl={ttl}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{ttl}");
        let text = answer.body["error_description"].as_str().unwrap().to_owned();
        assert!(text.contains("60") && text.contains("86400"), "{text}");
        assert_eq!(answer.body["error"], "invalid_request");
    }
    assert_eq!(bench.issuer.calls().len(), 0);
}

#[tokio::test]
async fn bad_queries() {
    let bench = Bench::new();
    for query in
        ["audience=", "audience=%00", "audience=a&audience=a", "x=1", "ttl=60&ttl=60", "audience=%"]
    {
        let answer = bench.socket(&format!("/v1/token?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    let answer = bench.socket("/v1/token?api-version=2.0&audience=a").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn only_get() {
    let bench = Bench::new();
    for method in ["POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"] {
        for router in [bench.server.on_tcp(), bench.server.on_socket_of(sandbox("a"))] {
            let bearer = bench.bearer(0);
            let headers = [("authorization", bearer.as_str())];
            let answer = bench.send(router, method, "/v1/token", &headers).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(answer.headers["allow"], "GET");
        }
    }
}

#[tokio::test]
async fn other_paths() {
    let bench = Bench::new();
    for path in
        ["/", "/v1/token/", "//v1/token", "/v1/%74oken", "/V1/token", "/v1/../v1/token", "/v1"]
    {
        assert_eq!(bench.socket(path).await.status, StatusCode::NOT_FOUND, "{path}");
        let bearer = bench.bearer(0);
        let answer = bench.tcp(path, Some(&bearer)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    // Beside the one there is the socket's own sandbox's, and no other's.
    for (path, status) in [
        ("/v1/sandboxes/a/token?audience=x", StatusCode::OK),
        ("/v1/sandboxes/b/token?audience=x", StatusCode::NOT_FOUND),
        ("/v1/sandboxes//token", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(bench.socket(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn tcp_wants_the_secret_of_the_sandbox_in_the_path() {
    let bench = Bench::new();
    let own = bench.bearer(0);
    for target in ["/v1/token", "/v1/sandboxes/a/token?audience=x"] {
        assert_eq!(bench.tcp(target, Some(&own)).await.status, StatusCode::OK, "{target}");
    }
    let lower = own.replace("Bearer", "bearer");
    assert_eq!(bench.tcp("/v1/token", Some(&lower)).await.status, StatusCode::OK);
    assert!(bench.issuer.calls().iter().all(|call| call.requests[0].sandbox == sandbox("a")));
}

#[tokio::test]
async fn no_or_malformed_credentials_are_401() {
    let bench = Bench::new();
    let no_blank = bench.bearer(0).replace(' ', "");
    let twice = format!("{0} {0}", bench.bearer(0));
    let basic = bench.bearer(0).replace("Bearer", "Basic ");
    for target in ["/v1/token", "/v1/sandboxes/a/token", "/v1/sandboxes/unknown/token"] {
        for value in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("x"),
            Some(&*no_blank),
            Some(&*twice),
            Some(&*basic),
        ] {
            let answer = bench.tcp(target, value).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{target} {value:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    let own = bench.bearer(0);
    let both = [("authorization", &*own), ("authorization", &*own)];
    let answer = bench.send(bench.server.on_tcp(), "GET", "/v1/token", &both).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_secrets_and_unknown_sandboxes_are_one_answer() {
    let bench = Bench::new();
    let stranger = format!("Bearer {}", "0".repeat(64));
    let other = bench.bearer(1);
    let mut bodies = std::collections::HashSet::new();
    for (target, authorization) in [
        ("/v1/token", &stranger),
        ("/v1/sandboxes/a/token", &stranger),
        ("/v1/sandboxes/a/token", &other),
        ("/v1/sandboxes/unknown/token", &other),
        ("/v1/sandboxes/a%2Fb/token", &other),
        ("/v1/sandboxes/../token", &other),
    ] {
        let answer = bench.tcp(target, Some(authorization)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{target}");
        bodies.insert(answer.body.to_string());
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(bench.issuer.calls().len(), 0);
}

#[tokio::test]
async fn a_detached_sandbox_is_refused_on_both_doors() {
    let bench = Bench::new();
    bench.server.source.retire(&sandbox("a"));
    assert_eq!(bench.socket("/v1/token").await.status, StatusCode::FORBIDDEN);
    bench.server.credentials.remove(&sandbox("a"));
    let own = bench.bearer(0);
    assert_eq!(bench.tcp("/v1/token", Some(&own)).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_coordinators_answers_have_their_status() {
    let bench = Bench::new();
    for (class, status, retry) in [
        (ErrorClass::Invalid, 400, false),
        (ErrorClass::Denied, 403, false),
        (ErrorClass::NotFound, 403, false),
        (ErrorClass::Exhausted, 429, true),
        (ErrorClass::Unavailable, 503, true),
        (ErrorClass::Unauthenticated, 503, true),
        (ErrorClass::Conflict, 500, false),
        (ErrorClass::Internal, 500, false),
    ] {
        bench.issuer.set(Mode::Fails(class));
        let answer = bench.socket("/v1/token").await;
        assert_eq!(answer.status.as_u16(), status, "{class:?}");
        assert_eq!(answer.headers.contains_key("retry-after"), retry, "{class:?}");
    }
}

#[tokio::test]
async fn forged_requests_are_refused_before_anything_else() {
    let bench = Bench::new();
    let own = bench.bearer(0);
    for header in [
        ("host", "evil.example"),
        ("host", "metadata.google.internal"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        for router in [bench.server.on_tcp(), bench.server.on_socket_of(sandbox("a"))] {
            let headers = [header, ("authorization", &*own)];
            let answer = bench.send(router, "GET", "/v1/token", &headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{header:?}");
        }
    }
    assert_eq!(bench.issuer.calls().len(), 0);
}

#[tokio::test]
async fn a_client_is_told_when_to_ask_again_as_the_coordinator_said_or_in_five_seconds() {
    let bench = Bench::new();
    for (mode, seconds) in [
        (Mode::Fails(ErrorClass::Unavailable), "5"),
        (Mode::Fails(ErrorClass::Exhausted), "5"),
        (Mode::Busy(std::time::Duration::from_millis(1)), "1"),
        (Mode::Busy(std::time::Duration::from_millis(12_001)), "13"),
    ] {
        bench.issuer.set(mode);
        let answer = bench.socket("/v1/token?audience=x").await;
        assert_eq!(answer.headers["retry-after"], seconds, "{mode:?}");
    }
}

#[tokio::test]
async fn no_answer_repeats_a_secret_or_what_was_sent() {
    let bench = Bench::new();
    let own = bench.bearer(1);
    let answer = bench.tcp("/v1/sandboxes/a/token?audience=canary", Some(&own)).await;
    assert!(!answer.body.to_string().contains(bench.secrets[1].expose()));
    let answer = bench.socket("/v1/token?canary=%F0%9F").await;
    assert!(!answer.body.to_string().contains("canary"), "{}", answer.body);
}
