//! The limits of a listener.
//!
//! Defaults are for endpoints open to strangers. None is a guess about speed: each is far
//! above what an honest client needs and low enough that a thousand dishonest ones cannot
//! fill memory or the table of open files.

use std::time::Duration;

/// Time for a TLS handshake: two round trips over the slowest link take under 2 s.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for one request head, and for the first byte on a new connection.
const HEADER: Duration = Duration::from_secs(10);
/// Time for a whole request body: 64 KiB in 30 s is slower than any modem in use.
const BODY: Duration = Duration::from_secs(30);
/// Time an open connection may wait for its next request; proxies in front keep theirs 60 s.
const IDLE: Duration = Duration::from_secs(60);
/// Time a client may take to accept the next bytes of an answer.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// How often an HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(60);
/// Time an HTTP/2 client has to say so.
const PING_ANSWER: Duration = Duration::from_secs(30);
/// The same for gRPC: with the time to answer, how long a runner behind a broken network holds its place.
const GRPC_PING: Duration = Duration::from_secs(10);
/// Time a gRPC client has to answer: as long as any call may take.
const GRPC_PING_ANSWER: Duration = Duration::from_secs(5);
/// Age after which a connection must be made anew, so that a revoked certificate or a moved
/// address does not live on in an old connection.
const AGE: Duration = Duration::from_secs(300);
/// Most that is added to the age by chance, so that clients do not come back all at once.
const AGE_JITTER: Duration = Duration::from_secs(30);
/// Time that requests in flight get to end once a connection is told to close.
const GRACE: Duration = Duration::from_secs(30);
/// Open connections of one listener, well under the usual limit of 1,024 or more files.
const MAX_CONNECTIONS: usize = 10_000;
/// Open connections from one address (one /64 with IPv6).
const MAX_CONNECTIONS_PER_IP: usize = 100;
/// Bytes of a request head (HTTP/1) or header list (HTTP/2): a bearer token of 8 KiB twice.
const HEADER_BYTES: usize = 16 * 1024;
/// Fields in a request head.
const HEADERS: usize = 100;
/// Bytes of a request body: the largest honest one is a form with two tokens of 16 KiB.
const BODY_BYTES: usize = 64 * 1024;
/// Bytes of a gRPC request body: a batch of requests; tonic's own limit per message.
const GRPC_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Concurrent HTTP/2 streams of a connection (RFC 9113 section 6.5.2 advises 100 or more).
const H2_STREAMS: u32 = 100;
/// Streams reset by the client before they were accepted (CVE-2023-44487).
const PENDING_ACCEPT_RESETS: usize = 20;
/// Streams reset by us for the client's errors (CVE-2025-8671).
const LOCAL_ERROR_RESETS: usize = 1024;

/// How long each phase of a connection may take and how much of each thing it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time for a TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// Time for one request head, and for the first byte. Default 10 s.
    pub header: Duration,
    /// Time for a whole request body; `None` for streams that may last. Default 30 s.
    pub body: Option<Duration>,
    /// Time without a request after which a connection is closed. Default 60 s.
    pub idle: Duration,
    /// Time a client may take to accept the next bytes of an answer. Default 30 s.
    pub write_stall: Duration,
    /// Time between two questions whether an HTTP/2 client is still there. Default 60 s.
    pub ping: Duration,
    /// Time it has to answer; then the connection is closed. Default 30 s.
    pub ping_answer: Duration,
    /// Age at which a connection is told to close. Default 5 min.
    pub age: Duration,
    /// Most that is added to `age` by chance. Default 30 s.
    pub age_jitter: Duration,
    /// Time for requests in flight after a connection was told to close. Default 30 s.
    pub grace: Duration,
    /// Open connections of the listener; more wait in the backlog. Default 10,000.
    pub max_connections: usize,
    /// Open connections from one address; more are closed at once. Default 100.
    pub max_connections_per_ip: usize,
    /// Bytes of a request head; more is answered 431. At least 8,192. Default 16 KiB.
    pub header_bytes: usize,
    /// Fields in a request head; more is answered 431. Default 100.
    pub headers: usize,
    /// Bytes of a request body; more is answered 413. Default 64 KiB.
    pub body_bytes: usize,
    /// Concurrent HTTP/2 streams of a connection. Default 100.
    pub h2_streams: u32,
    /// HTTP/2 streams the client may reset before they are accepted. Default 20.
    pub pending_accept_resets: usize,
    /// HTTP/2 streams we reset for the client's errors before we close. Default 1,024.
    pub local_error_resets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: HANDSHAKE,
            header: HEADER,
            body: Some(BODY),
            idle: IDLE,
            write_stall: WRITE_STALL,
            ping: PING,
            ping_answer: PING_ANSWER,
            age: AGE,
            age_jitter: AGE_JITTER,
            grace: GRACE,
            max_connections: MAX_CONNECTIONS,
            max_connections_per_ip: MAX_CONNECTIONS_PER_IP,
            header_bytes: HEADER_BYTES,
            headers: HEADERS,
            body_bytes: BODY_BYTES,
            h2_streams: H2_STREAMS,
            pending_accept_resets: PENDING_ACCEPT_RESETS,
            local_error_resets: LOCAL_ERROR_RESETS,
        }
    }
}

impl Limits {
    /// For gRPC: streams may last as long as their connection, and bodies hold 4 MiB. A client that the
    /// network has cut off is noticed within 15 s, as it notices us.
    ///
    /// The age limit stays, so a stream is cut at the latest when `age`, its jitter and
    /// `grace` have passed; clients of streams must reconnect.
    #[must_use]
    pub fn grpc() -> Self {
        Self {
            body: None,
            body_bytes: GRPC_BODY_BYTES,
            ping: GRPC_PING,
            ping_answer: GRPC_PING_ANSWER,
            ..Self::default()
        }
    }
}
