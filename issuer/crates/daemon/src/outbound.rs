//! The one outbound HTTP client.
//!
//! https only, but for loopback hosts; no redirects, no proxy from the environment, no
//! cookies, no compression; time and size bounded, the size while the body comes in. The
//! name `localhost` is this machine whatever the resolver says. Whoever fetches something
//! from outside gets a client here or not at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect;
use reqwest::{Certificate, Client, StatusCode, Url};

/// What a client may do.
#[derive(Debug, Clone)]
pub struct OutboundPolicy {
    /// Time to connect, TLS included.
    pub connect: Duration,
    /// Time for everything.
    pub total: Duration,
    /// Longest body in bytes.
    pub max_body: usize,
    /// Roots trusted beside the system's, PEM; each may hold several.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for OutboundPolicy {
    /// 3 s, 5 s and 64 KiB: what AWS gives an issuer, and more than any honest document needs.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            total: Duration::from_secs(5),
            max_body: 64 * 1024,
            extra_roots: Vec::new(),
        }
    }
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The client could not be made.
    #[error("the HTTP client could not be made; are the extra roots PEM certificates?")]
    Client(#[source] reqwest::Error),
    /// An extra root holds no certificate, so whoever added it would be misled.
    #[error("an extra root holds no PEM certificate")]
    NoRoot,
    /// The text is no URL.
    #[error("this is no URL")]
    Url,
    /// Plain http to a host that is not this machine.
    #[error("only https is fetched (http only from loopback)")]
    Scheme,
    /// A redirect, which is not followed: it could lead anywhere.
    #[error("the server redirects ({0}); name the address it redirects to")]
    Redirect(StatusCode),
    /// The server answered something else than 200.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// More bytes than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// No connection, no answer in time, or broken off.
    #[error("no complete answer came")]
    Fetch(#[source] reqwest::Error),
}

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
    #[expect(clippy::disallowed_methods, reason = "the one place that builds an HTTP client")]
    pub fn new(policy: OutboundPolicy) -> Result<Self, OutboundError> {
        // Without a provider reqwest panics.
        crate::tls::install_provider();
        // Port 0 stands for the port of the URL.
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
            .map(|address| SocketAddr::new(address, 0));
        let mut builder = Client::builder()
            .resolve_to_addrs("localhost", &loopback)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(policy.connect)
            .timeout(policy.total);
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

    /// Fetches a JSON document: 200 or nothing.
    pub async fn fetch_json(&self, url: &str) -> Result<Fetched, OutboundError> {
        let url = Url::parse(url).map_err(|_not_a_url| OutboundError::Url)?;
        if !allowed(&url) {
            return Err(OutboundError::Scheme);
        }
        let request = self.client.get(url).header("accept", "application/json");
        let mut response = request.send().await.map_err(OutboundError::Fetch)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(OutboundError::Redirect(status)),
            status => return Err(OutboundError::Status(status)),
        }
        let headers = std::mem::take(response.headers_mut());
        let content_type = headers.get("content-type");
        let content_type =
            content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(OutboundError::Fetch)? {
            if bytes.len() + chunk.len() > self.max_body {
                return Err(OutboundError::TooLong(self.max_body));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Fetched { bytes, content_type, headers })
    }
}

fn allowed(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let nobody = url.username().is_empty() && url.password().is_none();
    nobody && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::header;
    use axum::response::Redirect;
    use axum::routing::get;

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
            .route("/redirect", get(|| async { Redirect::temporary("/good") }))
            .route("/long", get(|| async { vec![b' '; 65] }))
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
