//! A client that takes a document or refuses it, and puts one.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Response, StatusCode};

use super::foreign::ServerProof;
use super::policy::{OutboundError, OutboundPolicy};
use super::url::OutboundUrl;

/// How much of an error is read: S3 tells the code first.
const LONGEST_ERROR: usize = 4096;

/// Longest code that is repeated: those of S3 have some thirty characters.
const LONGEST_CODE: usize = 64;

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The body.
    pub bytes: Vec<u8>,
    /// The media type as it was sent, empty if it was not.
    pub content_type: String,
    /// All header fields, such as the ones that say how long the document may be kept.
    pub headers: HeaderMap,
}

/// Fetches documents within its policy.
#[derive(Debug, Clone)]
pub struct OutboundClient {
    client: Client,
    max_body: usize,
}

impl OutboundClient {
    /// A client that keeps to a policy.
    pub fn new(policy: OutboundPolicy) -> Result<Self, OutboundError> {
        let mut builder = policy.builder();
        for pem in policy.extra_roots {
            let roots = Certificate::from_pem_bundle(&pem).map_err(OutboundError::Client)?;
            if roots.is_empty() {
                return Err(OutboundError::NoRoot);
            }
            for root in roots {
                builder = builder.add_root_certificate(root);
            }
        }
        let client = builder.build().map_err(OutboundError::Client)?;
        Ok(Self { client, max_body: policy.max_body })
    }

    /// A client for a server that is known by this proof and by nothing else, over https alone. The roots of the
    /// policy count for nothing. Its connections are kept for the next request.
    pub fn to_server(policy: &OutboundPolicy, proof: &ServerProof) -> Result<Self, OutboundError> {
        let mut builder = policy.builder().https_only(true);
        if let Some(tls) = proof.tls()? {
            builder = builder.tls_backend_preconfigured(tls);
        }
        let client = builder.build().map_err(OutboundError::Client)?;
        Ok(Self { client, max_body: policy.max_body })
    }

    /// Fetches a JSON document: 200 or nothing.
    pub async fn fetch_json(&self, url: &str) -> Result<Fetched, OutboundError> {
        let request = self.client.get(OutboundUrl::parse(url)?.into_url());
        let request = request.header("accept", "application/json");
        let mut response = request.send().await.map_err(OutboundError::Fetch)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(OutboundError::Redirect(status)),
            status => return Err(OutboundError::Status(status)),
        }
        let headers = std::mem::take(response.headers_mut());
        let bytes = self.body(response).await?;
        let content_type = headers.get("content-type");
        let content_type =
            content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Fetched { bytes, content_type, headers })
    }

    /// Sends a request of a protocol that gives its own meaning to every status. Redirects are refused all
    /// the same.
    pub async fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, OutboundError> {
        let (parts, body) = request.into_parts();
        let url = OutboundUrl::parse(&parts.uri.to_string())?.into_url();
        let sent = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let mut response = sent.send().await.map_err(OutboundError::Fetch)?;
        if response.status().is_redirection() {
            return Err(OutboundError::Redirect(response.status()));
        }
        let mut answer = http::Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        *answer.body_mut() = self.body(response).await?.into();
        Ok(answer)
    }

    /// Posts a form (RFC 6749 appendix B) and takes every answer but redirects and size. What was posted may hold
    /// credentials, so no error repeats it or the address.
    pub async fn post_form(
        &self,
        url: OutboundUrl,
        form: Bytes,
    ) -> Result<(StatusCode, Vec<u8>), OutboundError> {
        let quiet = |error: reqwest::Error| OutboundError::Fetch(error.without_url());
        let request = self.client.post(url.into_url()).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.header("accept", "application/json").send().await.map_err(quiet)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(OutboundError::Redirect(status));
        }
        Ok((status, self.body(response).await?))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, OutboundError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(OutboundError::Fetch)? {
            if bytes.len() + chunk.len() > self.max_body {
                return Err(OutboundError::TooLong(self.max_body));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Puts a document. No error repeats the address: it may be signed, and would be a key to whoever reads
    /// the log.
    pub async fn put(
        &self,
        url: OutboundUrl,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), OutboundError> {
        let request = self.client.put(url.into_url()).headers(headers).body(body);
        let response = request.send().await;
        let response = response.map_err(|error| OutboundError::Fetch(error.without_url()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(OutboundError::Redirect(status)),
            status => Err(match error_code(response).await {
                Some(code) => OutboundError::Refused { status, code },
                None => OutboundError::Status(status),
            }),
        }
    }
}

/// The code of an error that a server tells in XML, as S3 does. Nothing else of what it says is repeated: it may
/// be our own secrets.
async fn error_code(mut response: Response) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_ERROR {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&bytes);
    let (code, _) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    let is_code = code.len() <= LONGEST_CODE && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::http::header;
    use axum::response::Redirect;
    use axum::routing::{any, get, post};

    use super::*;
    use crate::lifecycle::Shutdown;
    use crate::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
    use crate::tls::ServerTls;
    use crate::tls::fixtures::Authority;

    async fn server() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let json = [(header::CONTENT_TYPE, "application/json")];
        let router = Router::new()
            .route("/good", get(move || async move { (json, "{}") }))
            .route("/redirect", any(|| async { Redirect::temporary("/good") }))
            .route("/long", any(|| async { vec![b' '; 65] }))
            .route(
                "/echo",
                post(|headers: HeaderMap, body: String| async move {
                    format!("{} {body}", headers["content-type"].to_str().unwrap())
                }),
            )
            .route("/limit", get(|| async { vec![b' '; 64] }))
            .route("/slow", get(std::future::pending::<()>));
        tokio::spawn(async move { axum::serve(listener, router).await });
        base
    }

    fn client() -> OutboundClient {
        let policy = OutboundPolicy {
            total: Duration::from_millis(300),
            max_body: 64,
            ..OutboundPolicy::default()
        };
        OutboundClient::new(policy).unwrap()
    }

    #[tokio::test]
    async fn fetches_what_is_good() {
        let base = server().await;
        let fetched = client().fetch_json(&format!("{base}/good")).await.unwrap();
        assert_eq!(
            (fetched.bytes.as_slice(), fetched.content_type.as_str()),
            (&b"{}"[..], "application/json")
        );
        assert!(client().fetch_json(&format!("{base}/limit")).await.is_ok());
    }

    #[tokio::test]
    async fn an_exchange_takes_every_answer_but_redirects_and_size() {
        let base = server().await;
        let ask = async |path: &str| {
            let request = http::Request::post(format!("{base}{path}"));
            let request = request.header("content-type", "application/jose+json");
            client().exchange(request.body(Bytes::from_static(b"asked")).unwrap()).await
        };
        let echoed = ask("/echo").await.unwrap();
        assert_eq!(echoed.body().as_ref(), b"application/jose+json asked");
        assert_eq!(ask("/nothing").await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(ask("/good").await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(matches!(ask("/redirect").await, Err(OutboundError::Redirect(_))));
        assert!(matches!(ask("/long").await, Err(OutboundError::TooLong(64))));
    }

    #[tokio::test]
    async fn refuses_redirects_errors_size_and_slowness() {
        let base = server().await;
        let error =
            async |path: &str| client().fetch_json(&format!("{base}{path}")).await.unwrap_err();
        assert!(matches!(error("/redirect").await, OutboundError::Redirect(_)));
        assert!(matches!(error("/nothing").await, OutboundError::Status(StatusCode::NOT_FOUND)));
        assert!(matches!(error("/long").await, OutboundError::TooLong(64)));
        assert!(matches!(error("/slow").await, OutboundError::Fetch(e) if e.is_timeout()));
    }

    #[tokio::test]
    async fn puts_a_document_and_tells_why_it_was_not_taken() {
        use axum::routing::put;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let denied = (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code>secret</Error>");
        let odd = (StatusCode::FORBIDDEN, "<Code>\x1b[31mBearer secret</Code>");
        let router = Router::new()
            .route("/good", put(|body: String| async move { assert_eq!(body, "{}") }))
            .route("/denied", put(move || async move { denied }))
            .route("/odd", put(move || async move { odd }))
            .route("/redirect", put(|| async { Redirect::temporary("/good") }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let put = async |path: &str| {
            let url = OutboundUrl::parse(&format!("{base}{path}?signature=secret")).unwrap();
            client().put(url, HeaderMap::new(), Bytes::from_static(b"{}")).await
        };
        put("/good").await.unwrap();
        let denied = put("/denied").await.unwrap_err().to_string();
        assert_eq!(denied, "the server answered 403 Forbidden (AccessDenied)");
        assert_eq!(put("/odd").await.unwrap_err().to_string(), "the server answered 403 Forbidden");
        assert!(matches!(put("/redirect").await, Err(OutboundError::Redirect(_))));
        let url = OutboundUrl::parse("http://127.0.0.1:1/?signature=secret").unwrap();
        let error = client().put(url, HeaderMap::new(), Bytes::new()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[tokio::test]
    async fn only_a_known_authority_is_trusted() {
        let authority = Authority::new();
        let tls = ServerTls::server_only(&authority.leaf_for_localhost()).unwrap();
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let router = Router::new().route("/", get(|| async { "{}" }));
        tokio::spawn(async move {
            listener.serve(router, Limits::default(), Tls::On(tls), &Shutdown::new()).await;
        });
        let url = format!("https://localhost:{}/", address.port());
        let extra_roots = vec![authority.pem.clone().into_bytes()];
        let trusting =
            OutboundClient::new(OutboundPolicy { extra_roots, ..OutboundPolicy::default() });
        assert_eq!(trusting.unwrap().fetch_json(&url).await.unwrap().bytes, b"{}");
        let error = client().fetch_json(&url).await.unwrap_err();
        assert!(matches!(error, OutboundError::Fetch(e) if e.is_connect()));
        let not_pem = OutboundPolicy { extra_roots: vec![vec![0]], ..OutboundPolicy::default() };
        assert!(matches!(OutboundClient::new(not_pem), Err(OutboundError::NoRoot)));
    }

    #[tokio::test]
    async fn plain_http_leaves_this_machine_never() {
        for url in [
            "http://example.com/",
            "http://169.254.169.254/",
            "http://127.0.0.1@example.com/",
            "http://user@127.0.0.1/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
        ] {
            let error = client().fetch_json(url).await.unwrap_err();
            assert!(matches!(error, OutboundError::Scheme), "{url}: {error}");
        }
        assert!(matches!(client().fetch_json("no url").await, Err(OutboundError::Url)));
    }
}
