//! From a connection's certificate to a proven caller, on every call.

use std::sync::Arc;

use moneyer_authority::Authority;
use moneyer_authority::enrollment::{
    AuthenticatedController, AuthenticatedRunner, Caller, PeerLeaf,
};
use moneyer_daemon::listener::Peer;
use tonic::{Request, Status};

use crate::grpc::status;

/// The verified certificate of the connection a request came by.
pub(super) fn leaf<T>(request: &Request<T>) -> Result<PeerLeaf, Status> {
    let peer = request.extensions().get::<Arc<Peer>>();
    let certificate = peer.and_then(|peer| peer.certificate.as_ref());
    let certificate = certificate.ok_or_else(status::wrong_caller)?;
    certificate.read(PeerLeaf::parse).map_err(|error| status::leaf(&error))
}

/// The member that makes a request.
pub(super) async fn member<T: Sync>(
    authority: &Authority,
    request: &Request<T>,
) -> Result<Caller, Status> {
    let leaf = leaf(request)?;
    authority.authenticate_caller(&leaf).await.map_err(|error| status::authenticate(&error))
}

/// The runner that makes a request.
pub(super) async fn runner<T: Sync>(
    authority: &Authority,
    request: &Request<T>,
) -> Result<AuthenticatedRunner, Status> {
    match member(authority, request).await? {
        Caller::Runner(runner) => Ok(runner),
        Caller::Controller(_) => Err(status::wrong_kind()),
    }
}

/// The sandbox controller that makes a request, which is about to change something.
pub(super) async fn controller<T: Sync>(
    authority: &Authority,
    request: &Request<T>,
) -> Result<AuthenticatedController, Status> {
    authority.latest().await;
    match member(authority, request).await? {
        Caller::Controller(controller) => Ok(controller),
        Caller::Runner(_) => Err(status::wrong_kind()),
    }
}
