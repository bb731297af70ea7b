//! One connection, from its first byte to its close.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::response::IntoResponse as _;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::activity::Activity;
use super::body::{AnswerBody, Late, TimedBody};
use super::cork::cork;
use super::drive::drive;
use super::http1_guard::Guard;
use super::local_authority::LocalAuthority;
use super::multiplexed::Multiplexed;
use super::preface::{Protocol, detect};
use super::stall::{Stalling, Stream};
use super::strangers::Stranger;
use super::{Limits, Peer, PeerAddress};

/// Bytes of answers buffered per HTTP/2 stream; with 100 streams 6.4 MiB a connection.
const H2_SEND_BUFFER: usize = 64 * 1024;

/// hyper's smallest allowed HTTP/1 buffer.
const H1_MIN_BUFFER: usize = 8192;

/// What every connection of a listener shares.
pub(super) struct Served {
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
    pub(super) speaks: Speaks,
    /// Whether it is in a tunnel: what carries it waits for the last answer to arrive.
    pub(super) in_tunnel: bool,
}

/// What a connection may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1 and HTTP/2, by what it begins with; no tunnels.
    Http,
    /// HTTP/1 alone, which may become a tunnel.
    Tunnels,
    /// HTTP/2 alone.
    Http2,
}

/// What every request of a connection shares.
struct Requests {
    served: Arc<Served>,
    peer: Arc<Peer>,
    /// `None` where no proxy's listener accepted it.
    stranger: Option<Arc<Stranger>>,
    activity: Arc<Activity>,
}

/// Serves one connection, whose handshake is complete, to its end.
pub(super) async fn serve(
    served: Arc<Served>,
    io: Box<dyn Stream>,
    peer: Peer,
    stranger: Option<Arc<Stranger>>,
) {
    let limits = &served.limits;
    let io = if served.in_tunnel {
        Stalling::new(io, limits.write_stall)
    } else {
        Stalling::lingering(io, limits.write_stall)
    };
    let first = tokio::time::timeout(limits.header, detect(io));
    let detected = tokio::select! {
        detected = first => detected,
        () = served.stop.cancelled() => return,
    };
    let Ok(Ok(Some((protocol, io)))) = detected else {
        tracing::debug!("closed a connection that made no request");
        return;
    };
    let is_local = matches!(peer.address, PeerAddress::Unix { .. });
    let activity = Activity::new();
    let requests = Arc::new(Requests {
        served: Arc::clone(&served),
        peer: Arc::new(peer),
        stranger,
        activity: Arc::clone(&activity),
    });
    let service = service_fn(move |request| answer(Arc::clone(&requests), request));
    match protocol {
        Protocol::Http1 if served.speaks == Speaks::Tunnels => {
            let io = Guard::of_proxy(io, limits.header_bytes).watched(Arc::clone(&activity));
            let connection = http1_builder(limits).serve_connection(TokioIo::new(io), service);
            drive(connection.with_upgrades(), &activity, &served).await;
        }
        Protocol::Http1 if served.speaks == Speaks::Http2 => wrong_protocol(),
        Protocol::Http2 if served.speaks == Speaks::Tunnels => wrong_protocol(),
        Protocol::Http1 => {
            let io = Guard::new(io, limits.header_bytes).watched(Arc::clone(&activity));
            let connection = http1_builder(limits).serve_connection(TokioIo::new(io), service);
            drive(connection, &activity, &served).await;
        }
        Protocol::Http2 if is_local && served.speaks == Speaks::Http => {
            let (io, cork) = cork(LocalAuthority::new(io));
            let connection = http2_builder(limits).serve_connection(TokioIo::new(io), service);
            drive(Multiplexed::new(connection, cork), &activity, &served).await;
        }
        Protocol::Http2 => {
            let (io, cork) = cork(io);
            let connection = http2_builder(limits).serve_connection(TokioIo::new(io), service);
            drive(Multiplexed::new(connection, cork), &activity, &served).await;
        }
    }
}

fn wrong_protocol() {
    tracing::debug!("closed a connection in another protocol than it may speak");
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // The record of activity limits the time of a head, and the idle time apart from it.
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(H1_MIN_BUFFER));
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.pending_accept_resets)
        .max_local_error_reset_streams(limits.local_error_resets)
        .max_send_buf_size(H2_SEND_BUFFER)
        // Finds peers that vanished without a word, also while a stream is open.
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping_answer);
    builder
}

/// Hands one request to the router.
async fn answer(
    requests: Arc<Requests>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let in_flight = requests.activity.begin();
    let limits = &requests.served.limits;
    let late = Late::default();
    let version = request.version();
    let asks = (requests.served.speaks == Speaks::Tunnels).then(|| Asks::of(&request)).flatten();
    let response = if request.body().size_hint().lower() > limits.body_bytes as u64 {
        refuse(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        let request = prepare(request, &requests, &late);
        let mut router = requests.served.router.clone();
        match AssertUnwindSafe(router.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Err(_) => {
                tracing::error!("a request handler panicked");
                refuse(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    };
    // A handler knows only that the body broke off.
    let mut response = if late.is_set() { refuse(StatusCode::REQUEST_TIMEOUT) } else { response };
    // What came after the head was held back and is no request.
    if asks.is_some_and(|asks| !asks.is_opened_by(response.status())) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let unread = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
    if version < Version::HTTP_2 && unread.contains(&response.status()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| AnswerBody::new(body, in_flight)))
}

/// How a request asks for a tunnel.
#[derive(Clone, Copy)]
enum Asks {
    Connect,
    Upgrade,
}

impl Asks {
    fn of(request: &Request<Incoming>) -> Option<Self> {
        if request.method() == Method::CONNECT {
            return Some(Self::Connect);
        }
        request.headers().contains_key(header::UPGRADE).then_some(Self::Upgrade)
    }

    fn is_opened_by(self, status: StatusCode) -> bool {
        match self {
            Self::Connect => status.is_success(),
            Self::Upgrade => status == StatusCode::SWITCHING_PROTOCOLS,
        }
    }
}

fn prepare(request: Request<Incoming>, requests: &Requests, late: &Late) -> Request<AxumBody> {
    let limits = &requests.served.limits;
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(Arc::clone(&requests.peer));
    if let Some(stranger) = &requests.stranger {
        parts.extensions.insert(Arc::clone(stranger));
    }
    let body = if body.is_end_stream() {
        AxumBody::empty()
    } else {
        let timed = TimedBody::new(body, limits.body, late.clone());
        AxumBody::new(Limited::new(timed, limits.body_bytes))
    };
    Request::from_parts(parts, body)
}

fn refuse(status: StatusCode) -> Response<AxumBody> {
    (status, [(header::CACHE_CONTROL, "no-store")]).into_response()
}
