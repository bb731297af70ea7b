//! What the ACME client sends its requests with: the one outbound HTTP client there is.
//!
//! The directory and every answer name addresses (RFC 8555 section 7.1). Those of another origin than the
//! directory's are not asked: a server that is told to may not send us to this machine or into the cluster.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use moneyer_daemon::outbound::{OutboundClient, OutboundError, OutboundPolicy};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Time for one request. Servers that issue at once take some seconds for it.
const TOTAL: Duration = Duration::from_secs(30);

/// Sends requests within the limits of every outbound client, and notes for how long the server asks to be
/// left alone.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: OutboundClient,
    origin: Arc<str>,
    told: Arc<Mutex<Option<Duration>>>,
}

impl Transport {
    /// One for the server of this directory, that trusts these roots beside the system's.
    pub(super) fn new(directory: &str, root_ca: Option<Vec<u8>>) -> Result<Self, OutboundError> {
        let extra_roots = root_ca.into_iter().collect();
        let policy = OutboundPolicy { total: TOTAL, extra_roots, ..OutboundPolicy::default() };
        let origin = origin(directory).into();
        Ok(Self { client: OutboundClient::new(policy)?, origin, told: Arc::default() })
    }

    /// For how long the server has asked to be left alone since this was last asked.
    pub(super) fn take_told(&self) -> Option<Duration> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn hear(&self, status: StatusCode, headers: &HeaderMap) {
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            *told = (*told).max(retry_after(headers));
        }
    }
}

/// The server names an address of another one.
#[derive(Debug, thiserror::Error)]
#[error("the ACME server leads to {0}, which is not where its directory is")]
struct ElsewhereError(String);

/// Scheme, host and port of an address, as they are written.
fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(begin..).and_then(|rest| rest.find(['/', '?', '#']));
    url.get(..end.map_or(url.len(), |end| begin + end)).unwrap_or_default()
}

/// RFC 9110 section 10.2.3: seconds, or a date, which is taken by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
    let now = date(headers.get(header::DATE)?.to_str().ok()?)?;
    Duration::try_from(date(text)? - now).ok()
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let transport = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let asked = parts.uri.to_string();
            if origin(&asked) != &*transport.origin {
                return Err(Error::Other(Box::new(ElsewhereError(origin(&asked).to_owned()))));
            }
            let posts = parts.method == Method::POST;
            let Ok(body) = body.collect().await;
            let request = Request::from_parts(parts, body.to_bytes());
            let answer = transport.client.exchange(request).await;
            let answer = answer.map_err(|error| Error::Other(Box::new(error)))?;
            let status = answer.status();
            transport.hear(status, answer.headers());
            // What is no problem document (RFC 7807) of a request that has one would be told as bad JSON.
            let is_problem = posts && answer.body().starts_with(b"{");
            if !status.is_success() && !is_problem {
                return Err(Error::Other(Box::new(OutboundError::Status(status))));
            }
            Ok(BytesResponse::from(answer.map(Full::new)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_leads_to_itself_alone() {
        let transport = Transport::new("https://acme.example.com/directory", None).unwrap();
        for elsewhere in [
            "http://127.0.0.1:1/new-order",
            "https://acme.example.com:8443/new-order",
            "https://acme.example.com.evil.example/",
            "http://acme.example.com/new-order",
        ] {
            let request = Request::post(elsewhere).body(BodyWrapper::from(Vec::new())).unwrap();
            let refused = transport.request(request).await.err().unwrap().to_string();
            assert!(refused.contains("is not where its directory is"), "{elsewhere}: {refused}");
        }
        assert_eq!(origin("https://a.example/x?y#z"), "https://a.example");
        assert_eq!(origin("https://a.example?y"), "https://a.example");
    }

    #[test]
    fn the_servers_wait_is_read_in_both_forms() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2026 07:29:30 GMT"), Some(Duration::from_secs(90)));
        for text in ["", "soon", "-1", "Wed, 21 Oct 2026 07:27:59 GMT"] {
            assert_eq!(wait(text), None, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
