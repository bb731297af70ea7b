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
use moneyer_identity::grant::{BearerToken, Destination, PermittedRequest, SandboxGrants};
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
use super::standing::Standing;
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
    standing: Standing,
    method: String,
    target: String,
    addresses: Vec<IpAddr>,
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
        let asked = Arc::new(asked);
        let client = TunnelRequest::of(&mut request).filter(|_| asked.upgrades);
        let place = client.as_ref().map(|_| self.proxy.place(self.caller.sandbox())).transpose()?;
        let Prepared { judged, injected, ready } = self.prepare(&asked, client.is_some()).await?;
        let mut outgoing = written(request, asked.upgrades, &judged, &injected)?;
        let tokens = injected.iter().map(|one| &one.token);
        let redaction = judged.standing.redacted.then(|| Redaction::of(tokens));
        let address = ready.address();
        let standing = Arc::new(judged.standing.at(address));
        let uploaded = Arc::clone(&standing);
        outgoing.body = outgoing.body.while_permitted(move || uploaded.is_permitted());
        let alone = client.zip(place);
        let sending = async {
            match alone {
                Some(_) => self.upstream.send_upgrade(ready, outgoing).await,
                None => self.upstream.send(ready, outgoing, || standing.is_unchanged()).await,
            }
        };
        let answer = tokio::select! {
            biased;
            answer = sending => answer?,
            () = watch::forbidden(|| standing.is_permitted()) => return Err(Refusal::BrokenOff),
        };
        self.note(&injected, &answer);
        match alone {
            Some((client, place)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                take_over(standing, place, client, answer)
            }
            _ => answer::pass(answer, standing, redaction),
        }
    }

    /// Judges a request, obtains its tokens and a connection that is ready for it; anew where what the sandbox may do
    /// changed meanwhile. Nothing is waited for after that.
    async fn prepare(&self, asked: &Arc<Asked>, alone: bool) -> Result<Prepared, Refusal> {
        let mut unused: Option<Ready> = None;
        // Who changes it faster than that has no request sent.
        for _attempt in 0..3 {
            let judged = self.judge(asked).await?;
            let mut injected = self.tokens(&judged, &asked.destination).await?;
            let given_out = Instant::now();
            if !judged.standing.is_unchanged() {
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
            if judged.standing.is_unchanged() {
                return Ok(Prepared { judged, injected, ready });
            }
            unused = Some(ready);
        }
        // What it is refused for, where it is.
        self.judge(asked).await.and(Err(Refusal::Changed))
    }

    /// Policy first, then addresses: nothing of this asks for a token.
    async fn judge(&self, asked: &Arc<Asked>) -> Result<Judged, Refusal> {
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
        let standing = Standing {
            proxy: self.proxy.clone(),
            caller: self.caller.clone(),
            asked: Arc::clone(asked),
            encrypted: self.upstream.is_encrypted(),
            holder,
            grants: Arc::clone(&grants),
            pinned,
            tokens,
            redacted,
        };
        Ok(Judged { standing, method, target, addresses })
    }

    async fn tokens(
        &self,
        judged: &Judged,
        destination: &Destination,
    ) -> Result<Vec<Injected>, Refusal> {
        let tokens = &self.proxy.parts.tokens;
        let mut injected = Vec::with_capacity(judged.standing.tokens.len());
        for key in &judged.standing.tokens {
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

/// What is sent: without what belongs to the connection, and with the tokens.
fn written(
    request: Request,
    upgrades: bool,
    judged: &Judged,
    injected: &[Injected],
) -> Result<Outgoing, Refusal> {
    let mut outgoing = Outgoing::of(request, &judged.method, &judged.target)?;
    headers::strip_request(&mut outgoing.headers);
    if upgrades {
        websocket::ask(&mut outgoing.headers);
    }
    headers::say_via(&mut outgoing.headers, http::Version::HTTP_11);
    if judged.standing.redacted {
        redaction::ask_in_the_open(&mut outgoing.headers);
    }
    for Injected { key, token } in injected {
        headers::inject(&mut outgoing.headers, &key.grant.placement, token)?;
    }
    Ok(outgoing)
}

/// Passes the answer on that opens a WebSocket, and then bytes, for as long as it would be opened in the same way.
fn take_over(
    standing: Arc<Standing>,
    place: OwnedSemaphorePermit,
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
        // One of the sandbox's share of tunnels.
        let _place = place;
        let both = tokio::join!(client.opened(), hyper::upgrade::on(answer));
        let (Ok(client), Ok(upstream)) = both else { return };
        if client.spoke_early() {
            tracing::debug!("a WebSocket was closed: its client sent bytes before it was open");
            return;
        }
        let upstream = TokioIo::new(upstream);
        watch::pump_websocket(client, upstream, || standing.is_permitted()).await;
    });
    Ok(opened)
}

fn keys(
    holder: &Holder,
    grants: &SandboxGrants,
    permitted: &PermittedRequest<'_>,
) -> Vec<GrantKey> {
    let key = |grant| GrantKey { holder: holder.clone(), revision: grants.revision.clone(), grant };
    permitted.bindings().iter().map(|binding| key(binding.grant.clone())).collect()
}
