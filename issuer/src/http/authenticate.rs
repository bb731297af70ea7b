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
