//! The token server: `GET /v1/token?audience=A&ttl=900`.
//!
//! The shape of GitHub Actions' endpoint, which google-auth's url source reads as well. On the
//! socket in a sandbox's directory being inside is the credential. On TCP the sandbox's secret is
//! the bearer (RFC 6750 section 2.1), and the path names the sandbox, so that a secret that strayed
//! into another sandbox is told apart from its own. The handler converts, makes one call, converts.

mod answer;
mod origin;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use moneyer_identity::{SandboxId, TokenRequest};

use answer::Refusal;
pub(crate) use origin::AllowedHosts;
use query::TokenQuery;

use super::TokenSource;
use crate::coordinator::KnownPlacement;
use crate::sandbox::{AuthenticatedSandbox, Credentials};

/// The path that names no sandbox, on the socket and on TCP.
const TOKEN_PATH: &str = "/v1/token";

/// The token server behind all its listeners. Clones share everything.
#[derive(Clone)]
pub(crate) struct TokenServer {
    /// Where tokens come from.
    pub(crate) source: TokenSource,
    /// Who may ask on TCP.
    pub(crate) credentials: Arc<Credentials>,
    /// For the lifetimes that may be asked for.
    pub(crate) placement: Arc<KnownPlacement>,
    /// Under which names it is asked.
    pub(crate) hosts: Arc<AllowedHosts>,
}

/// Where a request came in.
#[derive(Debug, Clone)]
enum Door {
    Socket(AuthenticatedSandbox),
    Tcp,
}

impl TokenServer {
    /// The name of its socket in a sandbox's directory.
    pub(crate) const SOCKET: &str = "identity.sock";

    /// What is served on the socket of one sandbox.
    pub(crate) fn on_socket_of(&self, sandbox: SandboxId) -> Router {
        self.router(Door::Socket(AuthenticatedSandbox::by_socket(sandbox)))
    }

    /// What is served on TCP.
    pub(crate) fn on_tcp(&self) -> Router {
        self.router(Door::Tcp)
    }

    /// The path of a sandbox's own address on TCP.
    pub(crate) fn path_of(sandbox: &SandboxId) -> String {
        format!("/v1/sandboxes/{sandbox}/token")
    }

    fn router(&self, door: Door) -> Router {
        let server = self.clone();
        // One handler for every path: paths are compared as sent, undecoded and unnormalised.
        Router::new().fallback(move |request: Request| {
            let (server, door) = (server.clone(), door.clone());
            async move { server.answer(&door, request).await.unwrap_or_else(Refusal::into_response) }
        })
    }

    async fn answer(&self, door: &Door, request: Request) -> Result<Response, Refusal> {
        let (head, _body) = request.into_parts();
        self.hosts.check(&head.uri, &head.headers)?;
        let named = match (door, head.uri.path()) {
            (_, TOKEN_PATH) => None,
            (Door::Tcp, path) => Some(sandbox_in(path).ok_or(Refusal::Path)?),
            // Its own address, for programs whose way there leads through the socket.
            (Door::Socket(own), path) if sandbox_in(path) == Some(own.id().as_str()) => None,
            (Door::Socket(_), _) => return Err(Refusal::Path),
        };
        if head.method != Method::GET {
            return Err(Refusal::Method);
        }
        let sandbox = match door {
            Door::Socket(sandbox) => sandbox.clone(),
            Door::Tcp => self.authenticate(named, &head.headers)?,
        };
        let query = head.uri.query().unwrap_or_default();
        let query = TokenQuery::parse(query, self.placement.lifetimes())?;
        let request = TokenRequest {
            sandbox: sandbox.id().clone(),
            audiences: query.audiences,
            lifetime: query.lifetime,
        };
        Ok(answer::token(&*self.source.token(request).await?))
    }

    fn authenticate(
        &self,
        named: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<AuthenticatedSandbox, Refusal> {
        let secret = bearer(headers).ok_or(Refusal::Credentials)?;
        let authenticated = match named.map(SandboxId::parse) {
            None => self.credentials.authenticate(secret),
            Some(Ok(sandbox)) => self.credentials.authenticate_as(&sandbox, secret),
            // No sandbox has such a name: answered as any sandbox that is not here.
            Some(Err(_)) => None,
        };
        authenticated.ok_or(Refusal::Secret)
    }
}

/// What stands for the sandbox in `/v1/sandboxes/<id>/token`.
fn sandbox_in(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/v1/sandboxes/")?.strip_suffix("/token")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// The one bearer: `token68` of RFC 9110 section 11.2 after a scheme in any case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked(b"Bearer ".len())?;
    let token68 = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    };
    let well_formed =
        scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty() && token.iter().all(token68);
    well_formed.then_some(token)
}
