//! Who is at the other end of a request to the management API, and whether it may ask for that.
//!
//! At a Unix socket the kernel tells the user: an operator may do everything. Anybody else shows a token (RFC 6750
//! section 2.1): one of a log-in, and may do what policies permit at that moment, or one of a Kubernetes service account,
//! and may do what the configuration permits. Without a token an X.509-SVID counts that was shown in the handshake, for
//! what a log-in with it would permit. What is done is to read or to write the resource that the first segment of the
//! path names.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticateError, AuthenticatedOperator, LocalPeer};
use moneyer_authority::exchange::Purpose;
use moneyer_authority::login::{Permission, Resource, Svid, Verb};
use moneyer_daemon::listener::{Peer, PeerAddress};
use moneyer_daemon::tls::ShownChain;
use moneyer_identity::claimed_issuer;

use crate::exchange::Subjects;
use crate::http::error::Problem;

/// Which local users are operators, beside root.
#[derive(Debug, Clone)]
pub(crate) struct Operators {
    /// The daemon's own user.
    pub(crate) own_uid: u32,
    /// The configured ones.
    pub(crate) uids: Arc<[u32]>,
}

/// An operator who may do what the request asks for, proved by the kernel's word on this connection or by a token.
pub(crate) struct Operator(pub(crate) AuthenticatedOperator);

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    Operators: FromRef<S>,
    Authority: FromRef<S>,
    Subjects: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (local, authority) =
            (local_user(parts, &Operators::from_ref(state)), Authority::from_ref(state));
        if let Some(Ok(operator)) = local {
            authority.latest().await;
            return Ok(Self(operator));
        }
        let (token, chain) = (bearer(&parts.headers), shown(parts));
        match (token, local) {
            (None, Some(Err(refused))) => return Err(refused.into()),
            // A header that is no one token is not passed over for the certificate of whoever hands it on.
            (None, _) if chain.is_empty() || parts.headers.contains_key(header::AUTHORIZATION) => {
                return Err(AuthenticateError::NoToken.into());
            }
            _ => {}
        }
        let asked = asked(&parts.method, parts.uri.path());
        let asked = asked.ok_or_else(|| Problem::not_found("there is nothing at this path"))?;
        let operator = Self::bearing(state, &authority, (token, &chain), asked).await?;
        authority.latest().await;
        Ok(Self(operator))
    }
}

impl Operator {
    /// Who shows a token, of a log-in or of a service account, or else a certificate.
    async fn bearing<S>(
        state: &S,
        authority: &Authority,
        (token, chain): (Option<&str>, &[&[u8]]),
        asked: Permission,
    ) -> Result<AuthenticatedOperator, Problem>
    where
        S: Sync,
        Subjects: FromRef<S>,
    {
        let Some(token) = token else {
            return Ok(authority.authenticate_svid(Svid::X509(chain), asked)?);
        };
        let Some(purpose) = of_an_account(authority, token) else {
            return Ok(authority.authenticate_token(token, asked)?);
        };
        let shown = Subjects::from_ref(state).verify(token, purpose).await;
        Ok(authority.authenticate_account(shown, asked)?)
    }
}

/// The certificates that a client showed in its handshake.
fn shown(parts: &Parts) -> Vec<&[u8]> {
    let peer = parts.extensions.get::<Arc<Peer>>();
    let chain = peer.into_iter().flat_map(|peer| &peer.shown).flat_map(ShownChain::certificates);
    chain.map(AsRef::as_ref).collect()
}

/// What a token is shown for, if it claims to be of a cluster whose service accounts may manage. Everything else is
/// taken for a token of a log-in.
fn of_an_account<'a>(authority: &'a Authority, token: &str) -> Option<Purpose<'a>> {
    let claimed = claimed_issuer(token).ok()?;
    authority.management_plan().purpose(&claimed, authority.subject_sources())
}

/// Who the kernel says it is; `None` where it is at no local socket.
fn local_user(
    parts: &Parts,
    operators: &Operators,
) -> Option<Result<AuthenticatedOperator, AuthenticateError>> {
    match parts.extensions.get::<Arc<Peer>>().map(|peer| &peer.address) {
        Some(PeerAddress::Unix { uid, .. }) => {
            Some(LocalPeer { uid: *uid }.authenticate(operators.own_uid, &operators.uids))
        }
        _ => None,
    }
}

/// The one token of `Authorization: Bearer`, whose scheme has no case.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// What a request asks for; `None` where no resource is named so.
pub(super) fn asked(method: &Method, path: &str) -> Option<Permission> {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let mut segments = path.trim_start_matches('/').split('/');
    let resource = match (segments.next()?, segments.nth(1)) {
        // A token of any sandbox is more than its record.
        ("sandboxes", Some("token")) => Resource::Tokens,
        ("trust-bundles", _) => Resource::Federations,
        ("policy-decision", _) => Resource::Policies,
        ("mapping-decision", _) => return Some(Permission::on(Resource::Mappings, Verb::Read)),
        (name, _) => Resource::from_name(name)?,
    };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    Some(Permission::on(resource, if reads { Verb::Read } else { Verb::Write }))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ask(address: Option<PeerAddress>) -> Option<bool> {
        let operators = Operators { own_uid: 700, uids: Arc::from([1234]) };
        let (mut parts, ()) = http::Request::new(()).into_parts();
        if let Some(address) = address {
            parts.extensions.insert(Arc::new(Peer::plain(address)));
        }
        local_user(&parts, &operators).map(|known| known.is_ok())
    }

    #[test]
    fn root_the_daemons_user_and_the_configured_ones_are_operators() {
        let unix = |uid| Some(PeerAddress::Unix { uid, gid: 0, pid: None });
        for uid in [0, 700, 1234] {
            assert_eq!(ask(unix(uid)), Some(true), "{uid}");
        }
        for uid in [1, 701, 65_534, u32::MAX] {
            assert_eq!(ask(unix(uid)), Some(false), "{uid}");
        }
    }

    #[test]
    fn who_is_not_at_a_unix_socket_is_no_local_user() {
        let tcp = PeerAddress::Tcp(([127, 0, 0, 1], 1).into());
        assert_eq!(ask(Some(tcp)), None);
        assert_eq!(ask(None), None);
    }

    #[test]
    fn one_bearer_is_read_and_nothing_else() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(read(&["bEARER a.b.c"]).as_deref(), Some("a.b.c"));
        for bad in [&[][..], &["Basic a"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_the_first_segment_and_whether_it_is_changed() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/apps", "apps:read"),
            (Method::HEAD, "/apps/web", "apps:read"),
            (Method::PUT, "/apps/web", "apps:write"),
            (Method::DELETE, "/sandboxes/web-1", "sandboxes:write"),
            (Method::POST, "/sandboxes/web-1/token", "tokens:write"),
            (Method::GET, "/trust-bundles", "federations:read"),
            (Method::GET, "/policy-decision", "policies:read"),
            (Method::POST, "/mapping-decision", "mappings:read"),
            (Method::DELETE, "/scopes/read", "scopes:write"),
            (Method::POST, "/keys/import", "keys:write"),
        ] {
            assert_eq!(asked(&method, path).unwrap().to_string(), expected, "{method} {path}");
        }
        for path in ["", "/", "/*", "/nothing", "/Apps", "/apps%2f", "/token"] {
            assert_eq!(asked(&Method::GET, path), None, "{path}");
        }
    }
}
