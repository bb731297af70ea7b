//! The three services on one router.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use moneyer_authority::Authority;
use moneyer_daemon::listener::Peer;
use moneyer_proto::v1::enrollment_server::EnrollmentServer;
use moneyer_proto::v1::minting_server::MintingServer;
use moneyer_proto::v1::placement_server::PlacementServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::grpc::enrollment::EnrollmentService;
use crate::grpc::limit::MintLimits;
use crate::grpc::minting::MintingService;
use crate::grpc::placement::PlacementService;
use crate::grpc::{deadline, status};
use crate::metrics::Metrics;

/// Longest message of Enrollment in bytes: a join token and a request for a P-256 key are under 1 KiB.
const ENROLLMENT_MESSAGE_BYTES: usize = 16 * 1024;

/// The calls that are answered without a certificate.
const FOR_STRANGERS: [&str; 2] = ["/moneyer.v1.Enrollment/Join", "/moneyer.v1.Enrollment/GetTrust"];

/// What the services need.
#[derive(Debug, Clone)]
pub(crate) struct GrpcParts {
    pub(crate) authority: Authority,
    pub(crate) limits: MintLimits,
    pub(crate) metrics: Metrics,
    /// Cancelled when the daemon goes down, so that streams end.
    pub(crate) going_down: CancellationToken,
}

/// The gRPC listener's routes. Compression is off: a small message must not become a large one.
pub(crate) fn router(parts: GrpcParts) -> Router {
    let GrpcParts { authority, limits, metrics, going_down } = parts;
    let enrollment = EnrollmentService { authority: authority.clone(), limits: limits.clone() };
    let minting = MintingService { authority: authority.clone(), limits, metrics, going_down };
    let enrollment =
        EnrollmentServer::new(enrollment).max_decoding_message_size(ENROLLMENT_MESSAGE_BYTES);
    Routes::new(enrollment)
        .add_service(MintingServer::new(minting))
        .add_service(PlacementServer::new(PlacementService { authority }))
        .into_axum_router()
        .layer(axum::middleware::from_fn(members_only))
        .layer(axum::middleware::from_fn(deadline::enforce))
}

/// Answers a connection without a certificate nothing but joining, before a byte of its message is read:
/// what strangers may make us hold is one small message each.
async fn members_only(request: Request, next: Next) -> Response {
    let member = request.extensions().get::<Arc<Peer>>().is_some_and(|p| p.certificate.is_some());
    if member || FOR_STRANGERS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    status::wrong_caller().into_http::<Body>()
}
