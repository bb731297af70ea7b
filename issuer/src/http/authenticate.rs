//! Who is at the other end of the management socket.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use moneyer_authority::enrollment::{AuthenticateError, AuthenticatedOperator, LocalPeer};
use moneyer_daemon::listener::{Peer, PeerAddress};

use crate::http::error::Problem;

/// Which local users are operators, beside root.
#[derive(Debug, Clone)]
pub(crate) struct Operators {
    /// The daemon's own user.
    pub(crate) own_uid: u32,
    /// The configured ones.
    pub(crate) uids: Arc<[u32]>,
}

/// An operator, proved by the kernel's word on this connection.
pub(crate) struct Operator(pub(crate) AuthenticatedOperator);

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    Operators: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let operators = Operators::from_ref(state);
        let peer = parts.extensions.get::<Arc<Peer>>();
        let Some(PeerAddress::Unix { uid, .. }) = peer.map(|peer| &peer.address) else {
            return Err(AuthenticateError::NotAnOperator.into());
        };
        let operator = LocalPeer { uid: *uid }.authenticate(operators.own_uid, &operators.uids)?;
        Ok(Self(operator))
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http::StatusCode;

    use super::*;

    async fn ask(address: Option<PeerAddress>) -> StatusCode {
        let operators = Operators { own_uid: 700, uids: Arc::from([1234]) };
        let (mut parts, ()) = http::Request::new(()).into_parts();
        if let Some(address) = address {
            parts.extensions.insert(Arc::new(Peer::plain(address)));
        }
        match Operator::from_request_parts(&mut parts, &operators).await {
            Ok(_) => StatusCode::OK,
            Err(problem) => problem.into_response().status(),
        }
    }

    #[tokio::test]
    async fn root_the_daemons_user_and_the_configured_ones_are_operators() {
        let unix = |uid| Some(PeerAddress::Unix { uid, gid: 0, pid: None });
        for uid in [0, 700, 1234] {
            assert_eq!(ask(unix(uid)).await, StatusCode::OK, "{uid}");
        }
        for uid in [1, 701, 65_534, u32::MAX] {
            assert_eq!(ask(unix(uid)).await, StatusCode::FORBIDDEN, "{uid}");
        }
    }

    #[tokio::test]
    async fn who_is_not_at_a_unix_socket_is_nobody() {
        let tcp = PeerAddress::Tcp(([127, 0, 0, 1], 1).into());
        assert_eq!(ask(Some(tcp)).await, StatusCode::FORBIDDEN);
        assert_eq!(ask(None).await, StatusCode::FORBIDDEN);
    }
}
