//! The connections to one upstream, as one tunnel has them.
//!
//! A connection is used again only for the address it was made to and only while that may be dialled, so that none
//! outlives the rule that permitted it. With HTTP/1.1 it carries one request at a time, with HTTP/2 many.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request as Received;
use http::header::{COOKIE, HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use moneyer_daemon::tls::WebAlpn;
use moneyer_identity::grant::Destination;

use super::body::BytesOnly;
use super::dial::Dialler;
use super::refusal::Refusal;

/// Time for the head of an answer: models think for minutes before they say a word.
const ANSWER_LIMIT: Duration = Duration::from_secs(600);

/// Most bytes of the head of an answer.
const MAXIMUM_ANSWER_HEAD_BYTES: usize = 64 * 1024;

/// Most fields in the head of an answer.
const MAXIMUM_ANSWER_HEADERS: usize = 200;

type Http1 = http1::SendRequest<BytesOnly>;
type Http2 = http2::SendRequest<BytesOnly>;

/// One upstream.
pub(super) struct Upstream {
    dialler: Arc<Dialler>,
    destination: Destination,
    encrypted: bool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    http1: Vec<(Http1, IpAddr)>,
    http2: Option<(Http2, IpAddr)>,
}

/// A request that is complete but for its connection.
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

enum Connection {
    Http1(Http1, IpAddr),
    Http2(Http2),
}

impl Upstream {
    /// The upstream of a destination, with no connections yet.
    pub(super) fn new(
        dialler: Arc<Dialler>,
        destination: Destination,
        encrypted: bool,
    ) -> Arc<Self> {
        Arc::new(Self { dialler, destination, encrypted, kept: Mutex::default() })
    }

    /// Whether it is spoken to with TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Sends a request to one of these addresses, if it is permitted once there is a connection.
    pub(super) async fn send(
        self: &Arc<Self>,
        addresses: &[IpAddr],
        outgoing: Outgoing,
        is_permitted: impl Fn() -> bool + Sync,
    ) -> Result<Response<Incoming>, Refusal> {
        let connection = match self.take(addresses) {
            Some(connection) => connection,
            None => self.open(addresses).await?,
        };
        if !is_permitted() {
            return Err(Refusal::Changed);
        }
        let answering = async {
            match connection {
                Connection::Http1(sender, address) => {
                    self.send_http1(sender, address, outgoing, &is_permitted).await
                }
                Connection::Http2(mut sender) => {
                    let request = self.http2_request(outgoing)?;
                    sender.send_request(request).await.map_err(Refusal::Upstream)
                }
            }
        };
        tokio::time::timeout(ANSWER_LIMIT, answering).await.map_err(|_over| Refusal::TooSlow)?
    }

    /// Sends a request that asks for an upgrade, on a connection of its own.
    pub(super) async fn send_upgrade(
        &self,
        addresses: &[IpAddr],
        outgoing: Outgoing,
        is_permitted: impl Fn() -> bool + Sync,
    ) -> Result<Response<Incoming>, Refusal> {
        let alpn = self.encrypted.then_some(WebAlpn::Http1);
        let dialled = self.dialler.connect(&self.destination, addresses, alpn).await?;
        let (mut sender, connection) = http1_builder()
            .handshake(TokioIo::new(dialled.stream))
            .await
            .map_err(Refusal::Upstream)?;
        tokio::spawn(connection.with_upgrades());
        if !is_permitted() {
            return Err(Refusal::Changed);
        }
        let answering = sender.send_request(self.http1_request(outgoing)?);
        let answer = tokio::time::timeout(ANSWER_LIMIT, answering).await;
        answer.map_err(|_over| Refusal::TooSlow)?.map_err(Refusal::Upstream)
    }

    async fn send_http1(
        self: &Arc<Self>,
        mut sender: Http1,
        address: IpAddr,
        outgoing: Outgoing,
        is_permitted: &(impl Fn() -> bool + Sync),
    ) -> Result<Response<Incoming>, Refusal> {
        let request = self.http1_request(outgoing)?;
        let mut answer = sender.try_send_request(request).await;
        // A connection that was closed while it was idle has sent nothing: once more, on a new one.
        if let Err(error) = &mut answer
            && let Some(request) = error.take_message()
        {
            sender = self.open_http1(&[address]).await?;
            if !is_permitted() {
                return Err(Refusal::Changed);
            }
            answer = sender.try_send_request(request).await;
        }
        let answer = answer.map_err(|error| Refusal::Upstream(error.into_error()))?;
        let upstream = Arc::clone(self);
        tokio::spawn(async move {
            // When the answer is read, or given up.
            if sender.ready().await.is_ok() {
                upstream.keep(sender, address);
            }
        });
        Ok(answer)
    }

    /// A connection that is open already.
    fn take(&self, addresses: &[IpAddr]) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sender, address)) = &kept.http2 {
            if addresses.contains(address) && !sender.is_closed() {
                return Some(Connection::Http2(sender.clone()));
            }
            kept.http2 = None;
        }
        kept.http1.retain(|(sender, address)| sender.is_ready() && addresses.contains(address));
        kept.http1.pop().map(|(sender, address)| Connection::Http1(sender, address))
    }

    fn keep(&self, sender: Http1, address: IpAddr) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.http1.push((sender, address));
    }

    async fn open(&self, addresses: &[IpAddr]) -> Result<Connection, Refusal> {
        let alpn = self.encrypted.then_some(WebAlpn::Either);
        let dialled = self.dialler.connect(&self.destination, addresses, alpn).await?;
        let (io, address) = (TokioIo::new(dialled.stream), dialled.address);
        if !dialled.is_http2 {
            let (sender, connection) =
                http1_builder().handshake(io).await.map_err(Refusal::Upstream)?;
            tokio::spawn(connection);
            return Ok(Connection::Http1(sender, address));
        }
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let head = u32::try_from(MAXIMUM_ANSWER_HEAD_BYTES).unwrap_or(u32::MAX);
        builder.max_header_list_size(head);
        let (sender, connection) = builder.handshake(io).await.map_err(Refusal::Upstream)?;
        tokio::spawn(connection);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.http2 = Some((sender.clone(), address));
        Ok(Connection::Http2(sender))
    }

    async fn open_http1(&self, addresses: &[IpAddr]) -> Result<Http1, Refusal> {
        let alpn = self.encrypted.then_some(WebAlpn::Http1);
        let dialled = self.dialler.connect(&self.destination, addresses, alpn).await?;
        let io = TokioIo::new(dialled.stream);
        let (sender, connection) =
            http1_builder().handshake(io).await.map_err(Refusal::Upstream)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// The authority as clients write it: without the port where that is the usual one.
    fn authority(&self) -> String {
        let (usual, text) = (if self.encrypted { 443 } else { 80 }, self.destination.to_string());
        let short = text.strip_suffix(&format!(":{usual}")).map(str::to_owned);
        short.filter(|_| self.destination.port() == usual).unwrap_or(text)
    }

    fn http1_request(&self, outgoing: Outgoing) -> Result<Request<BytesOnly>, Refusal> {
        let Outgoing { method, target, headers, body, .. } = outgoing;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        let host = HeaderValue::from_str(&self.authority());
        let host = host.map_err(|_no_host| Refusal::Malformed("the host cannot be written"))?;
        // First, as RFC 9112 section 3.2 asks.
        request.headers_mut().insert(HOST, host);
        request.headers_mut().extend(headers);
        join_cookies(request.headers_mut());
        Ok(request)
    }

    fn http2_request(&self, outgoing: Outgoing) -> Result<Request<BytesOnly>, Refusal> {
        let Outgoing { method, target, headers, body, takes_trailers } = outgoing;
        let uri = Uri::builder().scheme("https").authority(self.authority()).path_and_query(target);
        let uri =
            uri.build().map_err(|_no_uri| Refusal::Malformed("the host cannot be written"))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = headers;
        if takes_trailers {
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        }
        Ok(request)
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAXIMUM_ANSWER_HEAD_BYTES).max_headers(MAXIMUM_ANSWER_HEADERS);
    builder
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

/// What was received, without what names its authority, for its upstream.
pub(super) fn outgoing(
    received: Received,
    method: &str,
    target: &str,
) -> Result<Outgoing, Refusal> {
    let malformed = Refusal::Malformed("the request cannot be written");
    let (parts, body) = received.into_parts();
    let (method, target) = (Method::from_bytes(method.as_bytes()), target.parse::<PathAndQuery>());
    let (Ok(method), Ok(target)) = (method, target) else { return Err(malformed) };
    let mut headers = parts.headers;
    headers.remove(HOST);
    let takes_trailers = headers.get(TE).is_some_and(|value| value == "trailers");
    Ok(Outgoing { method, target, headers, body: BytesOnly::of(body), takes_trailers })
}
