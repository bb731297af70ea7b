//! The proxy behind all its listeners.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, Stranger};
use moneyer_identity::SandboxId;
use moneyer_identity::grant::{Destination, EndpointRule, SandboxGrants};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::authority::InterceptionAuthority;
use super::caller::Caller;
use super::dial::Dialler;
use super::permissions::Permissions;
use super::refusal::Refusal;
use super::relay::Relay;
use super::request::{destination_of, read_absolute};
use super::shares::Shares;
use super::upstream::Upstream;
use crate::audit::{EndpointName, GrantAudit};
use crate::grant::TokenSource;
use crate::metrics::Metrics;
use crate::sandbox::{Credentials, Stay};

/// Age at which a connection is closed: none that a sandbox comes to, since answers stream for as long as they do.
const AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Time a connection may be idle, and a client may take to accept the next bytes: what people do to a program.
const IDLE: Duration = Duration::from_secs(300);

/// Bytes of a request's head: a token of 8 KiB and cookies.
const HEADER_BYTES: usize = 32 * 1024;

/// What the proxy is made of.
pub(crate) struct Parts {
    /// What sandboxes may do.
    pub(crate) permissions: Arc<dyn Permissions>,
    /// Where tokens come from.
    pub(crate) tokens: Arc<dyn TokenSource>,
    /// Who may ask on TCP.
    pub(crate) credentials: Arc<Credentials>,
    /// Dials upstreams.
    pub(crate) dialler: Arc<Dialler>,
    /// Ends TLS.
    pub(crate) authority: Arc<InterceptionAuthority>,
    /// Most open tunnels of one sandbox.
    pub(crate) tunnels: usize,
    /// Where it is recorded what was refused.
    pub(crate) audit: GrantAudit,
    /// Most open connections of one sandbox to the proxy on TCP, beside its tunnels.
    pub(crate) connections: usize,
    /// Ends what is open.
    pub(crate) shutdown: Shutdown,
    /// What is counted.
    pub(crate) metrics: Metrics,
}

/// The proxy. Clones share everything.
#[derive(Clone)]
pub(crate) struct ForwardProxy {
    pub(super) parts: Arc<Parts>,
    /// Of tunnels.
    places: Shares,
    /// Of connections on TCP.
    connections: Shares,
}

/// Characters of a method that the log shows: the longest that is registered has 17.
const SHOWN_METHOD: usize = 32;

/// The same of an authority: the longest host, and a port.
const SHOWN_AUTHORITY: usize = 259;

/// What the log shows of a request.
pub(super) struct Shown {
    method: String,
    /// As it was asked for.
    authority: String,
    /// The same, where it is one.
    destination: Option<Destination>,
    begun: Instant,
}

impl Shown {
    pub(super) fn of(request: &Request, destination: &Destination) -> Self {
        Self::new(request, destination.to_string(), Some(destination.clone()))
    }

    /// Of a request outside of a tunnel.
    fn outside(request: &Request) -> Self {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let destination = destination_of(&authority, 80).ok();
        let shown = authority.chars().take(SHOWN_AUTHORITY).collect();
        Self::new(request, shown, destination)
    }

    fn new(request: &Request, authority: String, destination: Option<Destination>) -> Self {
        let method = request.method().as_str().chars().take(SHOWN_METHOD).collect();
        Self { method, authority, destination, begun: Instant::now() }
    }
}

impl ForwardProxy {
    /// The name of its socket in a sandbox's directory.
    pub(crate) const SOCKET: &str = "forward.sock";

    /// A proxy with nothing open.
    pub(crate) fn new(parts: Parts) -> Self {
        let (places, connections) = (Shares::new(parts.tunnels), Shares::new(parts.connections));
        Self { parts: Arc::new(parts), places, connections }
    }

    /// The limits of its connections, within tunnels and without. Bodies are as long as they are and take as long.
    pub(crate) fn limits() -> Limits {
        Limits {
            body: None,
            body_bytes: usize::MAX,
            age: AGE,
            idle: IDLE,
            write_stall: IDLE,
            header_bytes: HEADER_BYTES,
            ..Limits::default()
        }
    }

    /// What is served on the socket of one sandbox.
    pub(crate) fn on_socket_of(&self, stay: &Stay) -> Router {
        self.router(Some(Caller::Socket(stay.clone())))
    }

    /// What is served on TCP.
    pub(crate) fn on_tcp(&self) -> Router {
        self.router(None)
    }

    pub(super) fn router(&self, known: Option<Caller>) -> Router {
        let proxy = self.clone();
        Router::new().fallback(move |request: Request| {
            let (proxy, known) = (proxy.clone(), known.clone());
            async move { proxy.take(request, known).await }
        })
    }

    async fn take(&self, mut request: Request, known: Option<Caller>) -> Response {
        let shown = Shown::outside(&request);
        let caller = match self.known(&mut request, known) {
            Ok(caller) => caller,
            Err(refusal) => {
                self.parts.metrics.forwarded(None, refusal.as_str());
                return refusal.into_response();
            }
        };
        let sandbox = caller.sandbox().clone();
        let answer = if request.method() == Method::CONNECT {
            self.connect(request, caller).await
        } else {
            self.forward(request, caller).await
        };
        self.answer(&sandbox, &shown, answer)
    }

    /// Who asks. With its first request a connection becomes one of the sandbox's.
    fn known(&self, request: &mut Request, known: Option<Caller>) -> Result<Caller, Refusal> {
        let stranger = request.extensions_mut().remove::<Arc<Stranger>>();
        let stranger = stranger.filter(|stranger| !stranger.is_settled());
        if let Some(caller) = known {
            // Its socket has limits of its own.
            stranger.inspect(|stranger| stranger.settle(()));
            return Ok(caller);
        }
        let caller = Caller::of(request.headers(), &self.parts.credentials)?;
        if let Some(stranger) = stranger {
            stranger.settle(self.connections.take(caller.sandbox()).ok_or(Refusal::Crowded)?);
        }
        Ok(caller)
    }

    /// Plain HTTP.
    async fn forward(&self, request: Request, caller: Caller) -> Result<Response, Refusal> {
        let asked = read_absolute(&request)?;
        let (dialler, sandbox) = (Arc::clone(&self.parts.dialler), caller.sandbox().clone());
        let upstream = Upstream::new(dialler, sandbox, asked.destination.clone(), false);
        let relay = Relay { proxy: self.clone(), caller, upstream, pinned: None };
        relay.relay(request, asked).await
    }

    /// The answer to a request: counted, and written down where it is a refusal.
    pub(super) fn answer(
        &self,
        sandbox: &SandboxId,
        shown: &Shown,
        answer: Result<Response, Refusal>,
    ) -> Response {
        let passed = |_: &Response| {
            let endpoint = self.endpoint(sandbox, shown.destination.as_ref());
            self.parts.metrics.passed(endpoint, shown.begun.elapsed());
        };
        answer.inspect(passed).unwrap_or_else(|refusal| {
            self.note(sandbox, shown.destination.as_ref(), &refusal);
            tracing::info!(
                sandbox.id = %sandbox, http.method = %shown.method,
                forward.destination = shown.authority, forward.refusal = refusal.as_str(),
                error.cause = crate::chain(&refusal), "a request of a sandbox was refused"
            );
            refusal.into_response()
        })
    }

    /// Counts a refusal, and records it where it is one of what the sandbox may do.
    pub(super) fn note(
        &self,
        sandbox: &SandboxId,
        destination: Option<&Destination>,
        refusal: &Refusal,
    ) {
        let endpoint = self.endpoint(sandbox, destination);
        if let Some(word) = refusal.recorded() {
            self.parts.audit.refused(sandbox, destination, endpoint.as_ref(), word);
        }
        self.parts.metrics.forwarded(endpoint, refusal.as_str());
    }

    /// What names a destination for a sandbox, in the words of its profile.
    fn endpoint(
        &self,
        sandbox: &SandboxId,
        destination: Option<&Destination>,
    ) -> Option<EndpointName> {
        let (_, grants) = self.parts.permissions.of(sandbox)?;
        named(&grants, destination?).map(EndpointName::of)
    }

    /// The place of one tunnel of a sandbox, free again when it is dropped.
    pub(super) fn place(&self, sandbox: &SandboxId) -> Result<OwnedSemaphorePermit, Refusal> {
        self.places.take(sandbox).ok_or(Refusal::Busy)
    }
}

/// Of the endpoints that name a destination the one whose host says most.
fn named<'g>(grants: &'g SandboxGrants, destination: &Destination) -> Option<&'g EndpointRule> {
    let reach = grants.endpoints.iter().filter(|rule| rule.reaches(destination));
    reach.max_by_key(|rule| rule.host.score())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn of_a_method_32_characters_are_shown() {
        for (sent, shown) in [(31, 31), (32, 32), (33, 32)] {
            let method = "M".repeat(sent);
            let request = Request::builder().method(method.as_str()).body(Body::empty()).unwrap();
            assert_eq!(Shown::outside(&request).method.len(), shown);
        }
    }

    #[test]
    fn of_an_authority_259_characters_are_shown() {
        for (sent, shown) in [(258, 258), (259, 259), (260, 259)] {
            let uri = format!("http://{}/", "a".repeat(sent));
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert_eq!(Shown::outside(&request).authority.len(), shown);
        }
    }
}
