//! `CONNECT`: a tunnel to a destination, in which requests are looked at or bytes pass.
//!
//! What is begun in a tunnel that is looked into decides how: TLS is ended here, HTTP/1 is read as it is, anything else
//! is closed. TLS has to be for the tunnel's host by its server name, too.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use moneyer_daemon::listener::{Peer, Proxied, Tunnel, TunnelRequest};
use moneyer_identity::grant::{Destination, Passage};
use tokio::sync::OwnedSemaphorePermit;

use super::caller::Caller;
use super::names::Pinned;
use super::placed::Placed;
use super::proxy::{ForwardProxy, Shown};
use super::refusal::Refusal;
use super::relay::Relay;
use super::request::{destination_of, read_inside};
use super::upstream::Upstream;
use super::watch;

/// Time for the first byte in a tunnel, and for a handshake.
const FIRST_BYTE_LIMIT: Duration = Duration::from_secs(30);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// The first byte of a TLS record that begins a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// A tunnel that is open.
struct Open {
    proxy: ForwardProxy,
    caller: Caller,
    destination: Destination,
    pinned: Pinned,
    peer: Peer,
    /// One of the sandbox's share.
    _place: OwnedSemaphorePermit,
}

impl ForwardProxy {
    /// Opens a tunnel.
    pub(super) async fn connect(
        &self,
        mut request: Request,
        caller: Caller,
    ) -> Result<Response, Refusal> {
        let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
        let peer = request.extensions().get::<Arc<Peer>>().map(|peer| Peer::plain(peer.address));
        let client = TunnelRequest::of(&mut request);
        let (Some(authority), Some(client), Some(peer)) = (authority, client, peer) else {
            return Err(Refusal::Malformed("a tunnel is asked for with HTTP/1.1 and host:port"));
        };
        let destination = destination_of(&authority, 0)?;
        let (_, grants) = caller.grants(&*self.parts.permissions)?;
        let passage = grants.destination(&destination);
        if let Passage::Refused(refusal) = passage {
            return Err(Refusal::Policy(refusal));
        }
        let place = self.place(caller.sandbox())?;
        let pinned = self.parts.dialler.pin(&destination, caller.sandbox()).await?;
        let addresses = pinned.permitted(&grants.allowed_ips(&destination).into_iter())?;
        let proxy = self.clone();
        let mut open = Open { proxy, caller, destination, pinned, peer, _place: place };
        let upstream = match passage {
            Passage::Tunnel => Some(open.dial(&addresses).await?),
            Passage::Intercept | Passage::Refused(_) => None,
        };
        self.parts.shutdown.spawn("tunnel", async move {
            let client = match client.opened().await {
                Ok(client) => client,
                Err(error) => return tracing::debug!(%error, "a tunnel was not opened"),
            };
            match upstream {
                Some(upstream) => {
                    let client = client.half_closing();
                    watch::pump(client, upstream, || open.is_permitted(Passage::Tunnel)).await;
                }
                None => open.look_into(client).await,
            }
        });
        Ok(StatusCode::OK.into_response())
    }
}

impl Open {
    /// Connects a tunnel whose bytes pass, which leads to that one address from then on.
    async fn dial(&mut self, addresses: &[IpAddr]) -> Result<Placed, Refusal> {
        let (dialler, port) = (&self.proxy.parts.dialler, self.destination.port());
        let (upstream, address) = dialler.plain(self.caller.sandbox(), addresses, port).await?;
        self.pinned = self.pinned.only(address);
        // Connecting may take its time, in which the grants may go.
        if self.is_permitted(Passage::Tunnel) { Ok(upstream) } else { Err(Refusal::Changed) }
    }

    /// Whether the tunnel would be opened in the same way now, and lead to an address that it may lead to.
    fn is_permitted(&self, as_before: Passage) -> bool {
        let grants = self.caller.grants(&*self.proxy.parts.permissions);
        grants.is_ok_and(|(_, grants)| {
            let ranges = grants.allowed_ips(&self.destination);
            grants.destination(&self.destination) == as_before
                && self.pinned.permitted(&ranges.into_iter()).is_ok()
        })
    }

    /// Serves the requests in it, until the sandbox may no longer ask for any.
    async fn look_into(self, client: Tunnel) {
        let open = Arc::new(self);
        let stop = open.proxy.parts.shutdown.token().clone();
        tokio::select! {
            () = Arc::clone(&open).serve(client) => {}
            () = watch::forbidden(|| open.is_permitted(Passage::Intercept)) => {
                tracing::info!(
                    sandbox.id = %open.caller.sandbox(), forward.destination = %open.destination,
                    "a tunnel was closed: it is no longer permitted"
                );
            }
            () = stop.cancelled() => {}
        }
    }

    async fn serve(self: Arc<Self>, mut client: Tunnel) {
        let first = tokio::time::timeout(FIRST_BYTE_LIMIT, client.first_byte()).await;
        match first {
            Ok(Ok(Some(TLS_HANDSHAKE))) => self.end_tls(client).await,
            Ok(Ok(Some(byte))) if byte.is_ascii_alphabetic() => {
                let peer = self.peer.clone();
                self.proxied(false).http1(client, peer).await;
            }
            Ok(Ok(Some(_))) => {
                tracing::info!(
                    sandbox.id = %self.caller.sandbox(), forward.destination = %self.destination,
                    "a tunnel was closed: neither TLS nor HTTP/1 is spoken in it"
                );
            }
            _ => tracing::debug!("a tunnel was closed: nothing was said in it"),
        }
    }

    async fn end_tls(self: Arc<Self>, client: Tunnel) {
        let tls = match self.proxy.parts.authority.server_for(&self.destination) {
            Ok(tls) => tls,
            Err(error) => {
                return tracing::error!(
                    error.cause = crate::chain(&error),
                    "TLS could not be ended for a sandbox"
                );
            }
        };
        let shaken = tokio::time::timeout(HANDSHAKE_LIMIT, tls.terminate(client)).await;
        let terminated = match shaken {
            Ok(Ok(terminated)) => terminated,
            Ok(Err(error)) => {
                return tracing::info!(
                    sandbox.id = %self.caller.sandbox(), forward.destination = %self.destination,
                    %error, "a TLS handshake of a sandbox failed; does it trust the proxy's CA?"
                );
            }
            Err(_over) => return tracing::debug!("a TLS handshake took too long"),
        };
        let named = terminated.server_name.as_deref();
        let port = self.destination.port();
        let is_own =
            |name: &str| Destination::parse(name, port).is_ok_and(|d| d == self.destination);
        if named.is_some_and(|name| !is_own(name)) {
            let (sandbox, destination) = (self.caller.sandbox(), &self.destination);
            self.proxy.note(sandbox, Some(destination), &Refusal::Authority);
            return tracing::info!(
                sandbox.id = %self.caller.sandbox(), forward.destination = %self.destination,
                "a tunnel was closed: TLS in it is for another host"
            );
        }
        let (proxied, peer) = (self.proxied(true), self.peer.clone());
        if terminated.is_http2 {
            proxied.http2(terminated.stream, peer).await;
        } else {
            proxied.http1(terminated.stream, peer).await;
        }
    }

    /// What is served inside, each request judged by itself.
    fn proxied(self: &Arc<Self>, encrypted: bool) -> Proxied {
        let parts = &self.proxy.parts;
        let (dialler, sandbox, destination) =
            (Arc::clone(&parts.dialler), self.caller.sandbox().clone(), self.destination.clone());
        let upstream = Upstream::new(dialler, sandbox, destination, encrypted);
        let relay = Arc::new(Relay {
            proxy: self.proxy.clone(),
            caller: self.caller.clone(),
            upstream,
            pinned: Some(self.pinned.clone()),
        });
        let open = Arc::clone(self);
        let router = Router::new().fallback(move |request: Request| {
            let (relay, open) = (Arc::clone(&relay), Arc::clone(&open));
            async move {
                let shown = Shown::of(&request, &open.destination);
                let asked = read_inside(&request, &open.destination, encrypted);
                let answer = match asked {
                    Ok(asked) => relay.relay(request, asked).await,
                    Err(refusal) => Err(refusal),
                };
                open.proxy.answer(open.caller.sandbox(), &shown, answer)
            }
        });
        Proxied { router, limits: ForwardProxy::limits(), stop: parts.shutdown.token().clone() }
    }
}
