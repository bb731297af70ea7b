//! Accepting connections until told to stop.
//!
//! Nothing a client does ends the loop: running out of file descriptors is waited out, and
//! every other error concerns the one connection that had it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bind::Socket;
use super::connection::{self, Served, Speaks};
use super::per_address::{Counted, PerAddress};
use super::stall::Stream;
use super::strangers::{Stranger, Strangers};
use super::{Limits, Listener, Peer, PeerAddress};
use crate::lifecycle::Shutdown;
use crate::tls::{ACME_TLS, ServerTls};

/// Pause when there is no file descriptor for another connection: long enough for some to
/// be closed, short enough that honest clients in the backlog do not notice.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Whether connections are encrypted.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Plain HTTP: Unix sockets, loopback, or behind something that terminates TLS.
    Off,
    /// TLS on every connection.
    On(ServerTls),
}

/// What a connection holds for as long as it is open.
struct Held {
    _slot: OwnedSemaphorePermit,
    counted: OneOf,
}

/// What connections are counted by.
enum Counts {
    /// Where they come from.
    Addresses(Arc<PerAddress>),
    /// The same, until it is known whose they are.
    Strangers(Arc<Strangers>),
}

/// One connection of them.
enum OneOf {
    Address { _counted: Counted },
    Stranger(Arc<Stranger>),
}

impl Counts {
    fn of(served: &Served) -> Self {
        let maximum = served.limits.max_connections_per_ip;
        match served.speaks {
            Speaks::Tunnels => Self::Strangers(Strangers::new(maximum)),
            Speaks::Http | Speaks::Http2 => Self::Addresses(PerAddress::new(maximum)),
        }
    }

    fn enter(&self, address: PeerAddress) -> Option<OneOf> {
        match self {
            Self::Addresses(counts) => {
                counts.enter(address).map(|counted| OneOf::Address { _counted: counted })
            }
            Self::Strangers(strangers) => Some(OneOf::Stranger(strangers.enter(address))),
        }
    }
}

impl Listener {
    /// Serves `router` until `shutdown` begins, then returns.
    ///
    /// Open connections are tasks of `shutdown`: they finish the requests in flight, and
    /// [`Shutdown::drain`] waits for them. The socket is closed when this returns.
    pub async fn serve(self, router: Router, limits: Limits, tls: Tls, shutdown: &Shutdown) {
        let stop = shutdown.token().clone();
        let served = Served { router, limits, stop, speaks: Speaks::Http, in_tunnel: false };
        self.serve_all(served, tls, shutdown).await;
    }

    /// Serves the `router` of a proxy, as [`Listener::serve`] does: HTTP/1 without TLS, of which a connection may
    /// [become a tunnel](super::TunnelRequest). A tunnel counts against no limit of the listener, and a connection against
    /// its address until the router [knows](Stranger::settle) whose it is: for that it has as long as for its head.
    pub async fn serve_proxy(self, router: Router, limits: Limits, shutdown: &Shutdown) {
        let stop = shutdown.token().clone();
        let served = Served { router, limits, stop, speaks: Speaks::Tunnels, in_tunnel: false };
        self.serve_all(served, Tls::Off, shutdown).await;
    }

    async fn serve_all(self, served: Served, tls: Tls, shutdown: &Shutdown) {
        let limits = &served.limits;
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let counts = Counts::of(&served);
        let stop = served.stop.clone();
        let served = Arc::new(served);
        loop {
            let next = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, self.accept().await)
            };
            let (slot, (io, address)) = tokio::select! {
                () = stop.cancelled() => return,
                next = next => match next {
                    (Ok(slot), Ok(accepted)) => (slot, accepted),
                    (Err(_), _) => return,
                    (_, Err(error)) => {
                        recover(&error).await;
                        continue;
                    }
                },
            };
            let Some(counted) = counts.enter(address) else {
                refuse_crowd(address);
                continue;
            };
            let held = Held { _slot: slot, counted };
            let (served, tls) = (Arc::clone(&served), tls.clone());
            shutdown.spawn("connection", held.serve(served, tls, io, address));
        }
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, PeerAddress)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), PeerAddress::Tcp(from)))
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let address = credentials(&stream)?;
                Ok((Box::new(stream), address))
            }
        }
    }
}

impl Held {
    /// Serves the connection that holds it.
    async fn serve(self, served: Arc<Served>, tls: Tls, io: Box<dyn Stream>, address: PeerAddress) {
        match &self.counted {
            OneOf::Address { .. } => greet(served, tls, io, address).await,
            OneOf::Stranger(stranger) => {
                let limit = served.limits.header;
                let (peer, own) = (Peer::plain(address), Some(Arc::clone(stranger)));
                tokio::select! {
                    () = connection::serve(served, io, peer, own) => {}
                    () = stranger.turned_away(limit) => {
                        tracing::debug!(peer.address = ?address, "closed a connection that is nobody's");
                    }
                }
            }
        }
    }
}

/// Shakes hands if there is TLS, then serves the connection.
async fn greet(served: Arc<Served>, tls: Tls, io: Box<dyn Stream>, address: PeerAddress) {
    let Tls::On(tls) = tls else {
        let peer = Peer::plain(address);
        return connection::serve(served, io, peer, None).await;
    };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(served.limits.handshake, tls.accept(io)) => shaken,
        () = served.stop.cancelled() => return,
    };
    match shaken {
        Ok(Ok(mut stream)) => {
            let (_, session) = stream.get_ref();
            if session.alpn_protocol() == Some(ACME_TLS) {
                // RFC 8737 section 3: what was to be seen was seen.
                drop(stream.shutdown().await);
                return;
            }
            let peer = Peer {
                address,
                certificate: tls.verified(session),
                shown: tls.shown(session),
                alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            };
            connection::serve(served, Box::new(stream), peer, None).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(peer.address = ?address, tls.error = %error, "a TLS handshake failed");
        }
        Err(_) => tracing::debug!(peer.address = ?address, "a TLS handshake took too long"),
    }
}

fn credentials(stream: &UnixStream) -> io::Result<PeerAddress> {
    let peer = stream.peer_cred()?;
    Ok(PeerAddress::Unix { uid: peer.uid(), gid: peer.gid(), pid: peer.pid() })
}

fn refuse_crowd(from: PeerAddress) {
    metrics::counter!("moneyer_connections_refused_total").increment(1);
    tracing::debug!(peer.address = ?from, "refused a connection: too many from one address or user");
}

/// Waits, if waiting can help, before the next accept.
async fn recover(error: &io::Error) {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    if exhausted {
        tracing::warn!(error = %error, "cannot accept connections; raise the limit of open files");
        tokio::time::sleep(EXHAUSTED_PAUSE).await;
    } else {
        tracing::debug!(error = %error, "a connection failed before it was accepted");
    }
}
