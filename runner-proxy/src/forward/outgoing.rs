//! A request that is complete but for its connection.

use axum::extract::Request as Received;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::Body as _;

use super::body::BytesOnly;
use super::refusal::Refusal;

/// What is sent, once it is known in which version of HTTP.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: PathAndQuery,
    /// Without `Host`.
    pub(super) headers: HeaderMap,
    pub(super) body: BytesOnly,
    /// Whether the client takes trailers, which gRPC does without fail.
    pub(super) takes_trailers: bool,
}

impl Outgoing {
    /// What was received, without what names its authority, for its upstream.
    pub(super) fn of(received: Received, method: &str, target: &str) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed("the request cannot be written");
        let (parts, body) = received.into_parts();
        let method = Method::from_bytes(method.as_bytes());
        let (Ok(method), Ok(target)) = (method, target.parse::<PathAndQuery>()) else {
            return Err(malformed);
        };
        let mut headers = parts.headers;
        headers.remove(HOST);
        let takes_trailers = headers.get(TE).is_some_and(|value| value == "trailers");
        Ok(Self { method, target, headers, body: BytesOnly::of(body), takes_trailers })
    }

    /// In HTTP/1.1.
    pub(super) fn http1(self, authority: &str) -> Result<Request<BytesOnly>, Refusal> {
        let Self { method, target, headers, body, .. } = self;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        let host = HeaderValue::from_str(authority);
        let host = host.map_err(|_no_host| Refusal::Malformed("the host cannot be written"))?;
        // First, as RFC 9112 section 3.2 asks.
        request.headers_mut().insert(HOST, host);
        request.headers_mut().extend(headers);
        join_cookies(request.headers_mut());
        // Else a body of GET and its kin, whose length is not known, would be left out.
        if !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
        Ok(request)
    }

    /// In HTTP/2.
    pub(super) fn http2(self, authority: &str) -> Result<Request<BytesOnly>, Refusal> {
        let Self { method, target, headers, body, takes_trailers } = self;
        let uri = Uri::builder().scheme("https").authority(authority).path_and_query(target);
        let uri =
            uri.build().map_err(|_no_uri| Refusal::Malformed("the host cannot be written"))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        if takes_trailers {
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        }
        Ok(request)
    }
}

/// HTTP/2 may send cookies in pieces, HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}
