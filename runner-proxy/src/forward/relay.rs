//! One request on its way: judged, given its tokens, sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use hyper_util::rt::TokioIo;
use moneyer_daemon::listener::TunnelRequest;
use moneyer_identity::ErrorClass;
use moneyer_identity::grant::{
    BearerToken, Destination, GrantKind, PermittedRequest, SandboxGrants,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::body::Answered;
use super::caller::Caller;
use super::names::Pinned;
use super::outgoing::Outgoing;
use super::proxy::ForwardProxy;
use super::redaction::{self, Redaction};
use super::refusal::Refusal;
use super::request::Asked;
use super::upstream::{Ready, Upstream};
use super::{answer, headers, watch, websocket};
use crate::audit::Word;
use crate::grant::{GrantKey, Holder};

/// Time for a connection and a turn on it after which the tokens are had anew: of a token that is given out the last
/// 30 s are not used.
const TOKENS_STAND: Duration = Duration::from_secs(20);

/// The one who asks, and whom it reaches.
pub(super) struct Relay {
    pub(super) proxy: ForwardProxy,
    pub(super) caller: Caller,
    pub(super) upstream: Arc<Upstream>,
    /// Looked up before; `None` to look it up.
    pub(super) pinned: Option<Pinned>,
}

/// What was decided about a request, at one revision.
struct Judged {
    holder: Holder,
    grants: Arc<SandboxGrants>,
    method: String,
    target: String,
    pinned: Pinned,
    addresses: Vec<IpAddr>,
    tokens: Vec<GrantKey>,
    /// Whether they are taken out of the answer.
    redacted: bool,
}

/// A token as it was put on a request.
struct Injected {
    key: GrantKey,
    token: Arc<BearerToken>,
}

/// All that a request needs to be sent.
struct Prepared {
    judged: Judged,
    injected: Vec<Injected>,
    ready: Ready,
}

impl Relay {
    /// Sends a request and passes the answer on.
    pub(super) async fn relay(
        &self,
        mut request: Request,
        asked: Asked,
    ) -> Result<Response, Refusal> {
        let client = TunnelRequest::of(&mut request).filter(|_| asked.upgrades);
        let place = client.as_ref().map(|_| self.proxy.place(self.caller.sandbox())).transpose()?;
        let Prepared { judged, injected, ready } = self.prepare(&asked, client.is_some()).await?;
        let mut outgoing = Outgoing::of(request, &judged.method, &judged.target)?;
        headers::strip_request(&mut outgoing.headers);
        if asked.upgrades {
            websocket::ask(&mut outgoing.headers);
        }
        headers::say_via(&mut outgoing.headers, http::Version::HTTP_11);
        for Injected { key, token } in &injected {
            headers::inject(&mut outgoing.headers, &key.grant.placement, token)?;
        }
        let redaction =
            judged.redacted.then(|| Redaction::of(injected.iter().map(|one| &one.token)));
        if redaction.is_some() {
            redaction::ask_in_the_open(&mut outgoing.headers);
        }
        let address = ready.address();
        let Some((client, place)) = client.zip(place) else {
            let is_permitted = || self.stands(&judged);
            let answer = self.upstream.send(ready, outgoing, is_permitted).await?;
            self.note(&injected, &answer);
            return answer::pass(answer, redaction);
        };
        let answer = self.upstream.send_upgrade(ready, outgoing).await?;
        self.note(&injected, &answer);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return answer::pass(answer, redaction);
        }
        let open = OpenWebSocket {
            proxy: self.proxy.clone(),
            caller: self.caller.clone(),
            asked,
            encrypted: self.upstream.is_encrypted(),
            holder: judged.holder,
            pinned: judged.pinned.only(address),
            granted: judged.tokens,
            _place: place,
        };
        open.take_over(client, answer)
    }

    /// Judges a request, obtains its tokens and a connection that is ready for it; anew where what the sandbox may do
    /// changed meanwhile. Nothing is waited for after that.
    async fn prepare(&self, asked: &Asked, alone: bool) -> Result<Prepared, Refusal> {
        let mut unused: Option<Ready> = None;
        // Who changes it faster than that has no request sent.
        for _attempt in 0..3 {
            let judged = self.judge(asked).await?;
            let mut injected = self.tokens(&judged, &asked.destination).await?;
            let given_out = Instant::now();
            if !self.stands(&judged) {
                continue;
            }
            let ready = match unused.take().filter(|ready| ready.is_for(&judged.addresses)) {
                Some(ready) => ready,
                None if alone => self.upstream.alone(&judged.addresses).await?,
                None => self.upstream.ready(&judged.addresses).await?,
            };
            if given_out.elapsed() > TOKENS_STAND {
                injected = self.tokens(&judged, &asked.destination).await?;
            }
            if self.stands(&judged) {
                return Ok(Prepared { judged, injected, ready });
            }
            unused = Some(ready);
        }
        // What it is refused for, where it is.
        self.judge(asked).await.and(Err(Refusal::Changed))
    }

    /// Whether what was decided would be decided now: by the same revision of what the same holder may do.
    fn stands(&self, judged: &Judged) -> bool {
        let now = self.caller.grants(&*self.proxy.parts.permissions);
        now.is_ok_and(|(holder, grants)| {
            holder == judged.holder
                && (Arc::ptr_eq(&grants, &judged.grants) || *grants == *judged.grants)
        })
    }

    /// Policy first, then addresses: nothing of this asks for a token.
    async fn judge(&self, asked: &Asked) -> Result<Judged, Refusal> {
        let (holder, grants) = self.caller.grants(&*self.proxy.parts.permissions)?;
        let permitted = asked.decide(&grants)?;
        if let Some(refusal) = permitted.audited() {
            tracing::warn!(
                sandbox.id = %holder.sandbox, forward.destination = %asked.destination,
                forward.refusal = refusal.as_str(), "a request passed that is only audited"
            );
            let word = Word { class: ErrorClass::Denied.as_str(), reason: refusal.as_str() };
            let (sandbox, endpoint) = (&holder.sandbox, permitted.endpoint());
            self.proxy.parts.audit.audited(sandbox, &asked.destination, endpoint, word);
        }
        let pinned = match &self.pinned {
            Some(pinned) => pinned.clone(),
            None => self.proxy.parts.dialler.pin(&asked.destination, self.caller.sandbox()).await?,
        };
        let addresses = pinned.for_request(&permitted, self.upstream.is_encrypted())?;
        let tokens = keys(&holder, &grants, &permitted);
        let (method, target) = (permitted.method().as_str(), permitted.target().as_str());
        let (method, target) = (method.to_owned(), target.to_owned());
        let redacted = permitted.is_echo_redacted();
        Ok(Judged { holder, grants, method, target, pinned, addresses, tokens, redacted })
    }

    async fn tokens(
        &self,
        judged: &Judged,
        destination: &Destination,
    ) -> Result<Vec<Injected>, Refusal> {
        let tokens = &self.proxy.parts.tokens;
        let mut injected = Vec::with_capacity(judged.tokens.len());
        for key in &judged.tokens {
            let token = tokens.token(key.clone(), destination).await;
            let token = token.map_err(Refusal::Grant)?;
            injected.push(Injected { key: key.clone(), token });
        }
        Ok(injected)
    }

    /// A token that an upstream refuses is not used again. No other is sent in its place: the sandbox sees the
    /// answer, and its next request has a new one.
    fn note(&self, injected: &[Injected], answer: &http::Response<Answered>) {
        if answer.status() == StatusCode::UNAUTHORIZED {
            for Injected { key, token } in injected {
                self.proxy.parts.tokens.refused(key, token);
            }
        }
    }
}

/// A WebSocket that is open.
struct OpenWebSocket {
    proxy: ForwardProxy,
    caller: Caller,
    asked: Asked,
    encrypted: bool,
    holder: Holder,
    /// The address it leads to.
    pinned: Pinned,
    /// What the tokens were for that it was opened with.
    granted: Vec<GrantKey>,
    /// One of the sandbox's share of tunnels.
    _place: OwnedSemaphorePermit,
}

impl OpenWebSocket {
    /// Whether it would be opened now: to the same address and with the same tokens.
    fn is_permitted(&self) -> bool {
        let now = self.caller.grants(&*self.proxy.parts.permissions);
        let Some((_, grants)) = now.ok().filter(|(holder, _)| *holder == self.holder) else {
            return false;
        };
        let Ok(permitted) = self.asked.decide(&grants) else { return false };
        let is_granted = |key: &GrantKey| {
            // Behind the same words may be another user's token.
            let is_same =
                key.grant.kind != GrantKind::TokenExchange || key.revision == grants.revision;
            is_same && permitted.bindings().iter().any(|binding| binding.grant == key.grant)
        };
        self.granted.iter().all(is_granted)
            && self.pinned.for_request(&permitted, self.encrypted).is_ok()
    }

    /// Passes the answer on that opens it, and then bytes, for as long as it would be opened in the same way.
    fn take_over(
        self,
        client: TunnelRequest,
        answer: http::Response<Answered>,
    ) -> Result<Response, Refusal> {
        if !websocket::is_opened(answer.headers()) {
            return Err(Refusal::Answer);
        }
        let mut opened = StatusCode::SWITCHING_PROTOCOLS.into_response();
        *opened.headers_mut() = answer.headers().clone();
        headers::strip(opened.headers_mut());
        websocket::ask(opened.headers_mut());
        headers::say_via(opened.headers_mut(), http::Version::HTTP_11);
        tokio::spawn(async move {
            let both = tokio::join!(client.opened(), hyper::upgrade::on(answer));
            let (Ok(client), Ok(upstream)) = both else { return };
            if client.spoke_early() {
                tracing::debug!("a WebSocket was closed: its client sent bytes before it was open");
                return;
            }
            watch::pump(client, TokioIo::new(upstream), || self.is_permitted()).await;
        });
        Ok(opened)
    }
}

fn keys(
    holder: &Holder,
    grants: &SandboxGrants,
    permitted: &PermittedRequest<'_>,
) -> Vec<GrantKey> {
    let key = |grant| GrantKey { holder: holder.clone(), revision: grants.revision.clone(), grant };
    permitted.bindings().iter().map(|binding| key(binding.grant.clone())).collect()
}
