//! The connections to one upstream, as one tunnel has them.
//!
//! A connection is used again only for the address it was made to and only while that may be dialled, so that none
//! outlives the rule that permitted it. With HTTP/1.1 it carries one request at a time, with HTTP/2 as many as the
//! upstream takes. A request has a connection that is ready for it before it is judged for the last time, so that
//! between that and the sending there is nothing to wait for.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Response;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use moneyer_daemon::tls::WebAlpn;
use moneyer_identity::SandboxId;
use moneyer_identity::grant::Destination;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit};

use super::body::{Answered, BytesOnly, Upload};
use super::dial::{Dialled, Dialler};
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::turns::{Turn, Turns};

/// Time for the head of an answer after the last piece of the request went on, and for a turn on a connection: models
/// think for minutes before they say a word.
const ANSWER_LIMIT: Duration = Duration::from_secs(600);

/// Most bytes of the head of an answer.
const MAXIMUM_ANSWER_HEAD_BYTES: usize = 64 * 1024;

/// Most fields in the head of an answer of HTTP/1.1; HTTP/2 counts each as 32 bytes more than it has.
const MAXIMUM_ANSWER_HEADERS: usize = 200;

/// Bytes of one answer that an upstream of HTTP/2 may have on the way, which may lie here where the sandbox does not
/// take them: 20 Mbit/s at a round trip of 100 ms.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The same of all answers of a connection: what four of them may have.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of one request that wait here for an upstream of HTTP/2 to take them, as on the sandbox's side.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How often an upstream of HTTP/2 with requests is asked whether it is still there, and how long it may take to
/// answer: one that thinks for minutes and one that is gone look alike otherwise.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(20);

type Http1 = http1::SendRequest<BytesOnly>;
type Http2 = http2::SendRequest<BytesOnly>;

/// One upstream.
pub(super) struct Upstream {
    dialler: Arc<Dialler>,
    sandbox: SandboxId,
    destination: Destination,
    encrypted: bool,
    kept: Mutex<Kept>,
    /// Whoever opens the first connection, while nobody knows whether it serves all.
    opening: AsyncMutex<()>,
}

#[derive(Default)]
struct Kept {
    http1: Vec<Idle>,
    http2: Option<Multiplexed>,
    /// Whether the upstream has chosen HTTP/1.1, so that each request needs a connection.
    speaks_http1: bool,
    /// How often no connection came about.
    failed: u64,
}

/// A connection without a request.
struct Idle {
    sender: Http1,
    address: IpAddr,
    /// One of the sandbox's share of them.
    _place: OwnedSemaphorePermit,
}

#[derive(Clone)]
struct Multiplexed {
    sender: Http2,
    address: IpAddr,
    turns: Arc<Turns>,
}

/// A connection that takes a request at once.
pub(super) struct Ready {
    address: IpAddr,
    on: On,
}

enum On {
    Http1(Http1),
    Http2(Http2, Turn),
}

impl Ready {
    /// Where it leads.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether it is open still and leads to one of these addresses.
    pub(super) fn is_for(&self, addresses: &[IpAddr]) -> bool {
        let has_ended = match &self.on {
            On::Http1(sender) => sender.is_closed(),
            On::Http2(sender, _) => sender.is_closed(),
        };
        !has_ended && addresses.contains(&self.address)
    }
}

impl Upstream {
    /// A sandbox's upstream of a destination, with no connections yet.
    pub(super) fn new(
        dialler: Arc<Dialler>,
        sandbox: SandboxId,
        destination: Destination,
        encrypted: bool,
    ) -> Arc<Self> {
        let (kept, opening) = (Mutex::default(), AsyncMutex::default());
        Arc::new(Self { dialler, sandbox, destination, encrypted, kept, opening })
    }

    /// Whether it is spoken to with TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// A connection to one of these addresses for a request: one that is open already, or a new one.
    pub(super) async fn ready(&self, addresses: &[IpAddr]) -> Result<Ready, Refusal> {
        loop {
            if let Some(Idle { sender, address, .. }) = self.idle(addresses) {
                return Ok(Ready { address, on: On::Http1(sender) });
            }
            let open = match self.multiplexed(addresses) {
                Some(open) => open,
                None => match self.open_for_all(addresses).await? {
                    Opened::ForOne(ready) => return Ok(ready),
                    Opened::ForAll(open) => open,
                },
            };
            if let Some(ready) = open.ready().await? {
                return Ok(ready);
            }
        }
    }

    /// A connection of its own for a request that asks for an upgrade.
    pub(super) async fn alone(&self, addresses: &[IpAddr]) -> Result<Ready, Refusal> {
        let Dialled { stream, address, .. } = self.dial(addresses, WebAlpn::Http1).await?;
        let (sender, connection) =
            http1_builder().handshake(TokioIo::new(stream)).await.map_err(Refusal::Upstream)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Ready { address, on: On::Http1(sender) })
    }

    /// Sends a request. Where its connection has just been closed it is sent on another one, if it is permitted still.
    pub(super) async fn send(
        self: &Arc<Self>,
        ready: Ready,
        outgoing: Outgoing,
        is_permitted: impl Fn() -> bool + Sync,
    ) -> Result<Response<Answered>, Refusal> {
        let (authority, upload) = (self.authority(), outgoing.body.upload());
        match ready.on {
            On::Http1(mut sender) => {
                let request = outgoing.http1(&authority)?;
                let address = ready.address;
                let mut answer = within(&upload, sender.try_send_request(request)).await?;
                // A connection that was closed while it was idle has sent nothing: once more, on a new one.
                if let Err(error) = &mut answer
                    && let Some(request) = error.take_message()
                {
                    sender = self.open_http1(address).await?;
                    if !is_permitted() {
                        return Err(Refusal::Changed);
                    }
                    answer = within(&upload, sender.try_send_request(request)).await?;
                }
                let answer = answer.map_err(|error| Refusal::Upstream(error.into_error()))?;
                self.keep_when_ready(sender, address);
                Ok(answer.map(|body| Answered::new(body, None)))
            }
            On::Http2(mut sender, turn) => {
                let turn = Arc::new(turn);
                let request = outgoing.http2(&authority)?;
                let request = request.map(|body| body.in_turn(Arc::clone(&turn)));
                let answer = within(&upload, sender.send_request(request)).await?;
                let answer = answer.map_err(Refusal::Upstream)?;
                Ok(answer.map(|body| Answered::new(body, Some(turn))))
            }
        }
    }

    /// Sends a request that asks for an upgrade.
    pub(super) async fn send_upgrade(
        &self,
        ready: Ready,
        outgoing: Outgoing,
    ) -> Result<Response<Answered>, Refusal> {
        let On::Http1(mut sender) = ready.on else {
            return Err(Refusal::Malformed("of upgrades only WebSocket 13 passes"));
        };
        let upload = outgoing.body.upload();
        let request = outgoing.http1(&self.authority())?;
        let answer = within(&upload, sender.send_request(request)).await?;
        Ok(answer.map_err(Refusal::Upstream)?.map(|body| Answered::new(body, None)))
    }

    /// One without a request that leads to one of these addresses.
    fn idle(&self, addresses: &[IpAddr]) -> Option<Idle> {
        let mut kept = self.kept();
        kept.http1.retain(|idle| idle.sender.is_ready() && addresses.contains(&idle.address));
        kept.http1.pop()
    }

    /// The one of HTTP/2, where it leads to one of these addresses.
    fn multiplexed(&self, addresses: &[IpAddr]) -> Option<Multiplexed> {
        let mut kept = self.kept();
        let is_good =
            |open: &Multiplexed| addresses.contains(&open.address) && !open.sender.is_closed();
        kept.http2 = kept.http2.take().filter(is_good);
        kept.http2.clone()
    }

    fn keep_when_ready(self: &Arc<Self>, mut sender: Http1, address: IpAddr) {
        let upstream = Arc::clone(self);
        tokio::spawn(async move {
            // When the answer is read, or given up.
            if sender.ready().await.is_ok() {
                upstream.keep(sender, address);
            }
        });
    }

    /// Keeps one for the next request, where the sandbox has not as many of them already.
    fn keep(&self, sender: Http1, address: IpAddr) {
        if let Some(place) = self.dialler.place_of_idle(&self.sandbox) {
            self.kept().http1.push(Idle { sender, address, _place: place });
        }
    }

    async fn dial(&self, addresses: &[IpAddr], alpn: WebAlpn) -> Result<Dialled, Refusal> {
        let alpn = self.encrypted.then_some(alpn);
        self.dialler.connect(&self.sandbox, &self.destination, addresses, alpn).await
    }

    /// A new connection. However many need the first one, it is opened once where it serves all of them.
    async fn open_for_all(&self, addresses: &[IpAddr]) -> Result<Opened, Refusal> {
        let (alone, failed) = {
            let kept = self.kept();
            (!self.encrypted || kept.speaks_http1, kept.failed)
        };
        if alone {
            return self.open(addresses).await;
        }
        let opening = self.opening.lock().await;
        if let Some(open) = self.multiplexed(addresses) {
            return Ok(Opened::ForAll(open));
        }
        // Whoever has waited for one that did not come about waits for no other.
        let is_first = {
            let kept = self.kept();
            !kept.speaks_http1 && kept.failed == failed
        };
        let _opening = Some(opening).filter(|_| is_first);
        let opened = self.open(addresses).await;
        self.kept().failed += u64::from(opened.is_err());
        opened
    }

    async fn open(&self, addresses: &[IpAddr]) -> Result<Opened, Refusal> {
        let dialled = self.dial(addresses, WebAlpn::Either).await?;
        let (io, address) = (TokioIo::new(dialled.stream), dialled.address);
        if !dialled.is_http2 {
            let (sender, connection) =
                http1_builder().handshake(io).await.map_err(Refusal::Upstream)?;
            tokio::spawn(connection);
            self.kept().speaks_http1 = true;
            return Ok(Opened::ForOne(Ready { address, on: On::Http1(sender) }));
        }
        let (sender, connection) =
            http2_builder().handshake(io).await.map_err(Refusal::Upstream)?;
        let turns = Turns::new();
        let open = Multiplexed { sender, address, turns: Arc::clone(&turns) };
        tokio::spawn(async move { turns.of(connection).await });
        self.kept().http2 = Some(open.clone());
        Ok(Opened::ForAll(open))
    }

    async fn open_http1(&self, address: IpAddr) -> Result<Http1, Refusal> {
        let dialled = self.dial(&[address], WebAlpn::Http1).await?;
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

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Opened {
    ForOne(Ready),
    ForAll(Multiplexed),
}

impl Multiplexed {
    /// A turn on it; `None` where it has ended meanwhile.
    async fn ready(self) -> Result<Option<Ready>, Refusal> {
        let Self { sender, address, turns } = self;
        let turn = tokio::time::timeout(ANSWER_LIMIT, turns.next()).await;
        let turn = turn.map_err(|_over| Refusal::TooSlow)?;
        Ok(turn.map(|turn| Ready { address, on: On::Http2(sender, turn) }))
    }
}

/// The head of an answer, where it comes in time.
async fn within<T>(upload: &Upload, answering: impl Future<Output = T>) -> Result<T, Refusal> {
    tokio::select! {
        answer = answering => Ok(answer),
        () = upload.rested(ANSWER_LIMIT) => Err(Refusal::TooSlow),
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAXIMUM_ANSWER_HEAD_BYTES).max_headers(MAXIMUM_ANSWER_HEADERS);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let head = u32::try_from(MAXIMUM_ANSWER_HEAD_BYTES).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(head)
        // One, until the upstream has said how many it takes; an upstream opens none, since pushes are off.
        .initial_max_send_streams(1)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT);
    builder
}
