//! The three services on one router.

use axum::Router;
use moneyer_authority::Authority;
use moneyer_proto::v1::enrollment_server::EnrollmentServer;
use moneyer_proto::v1::minting_server::MintingServer;
use moneyer_proto::v1::placement_server::PlacementServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::grpc::deadline;
use crate::grpc::enrollment::EnrollmentService;
use crate::grpc::limit::MintLimits;
use crate::grpc::minting::MintingService;
use crate::grpc::placement::PlacementService;
use crate::metrics::Metrics;

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
    let minting = MintingService { authority: authority.clone(), limits, metrics, going_down };
    let enrollment = EnrollmentService { authority: authority.clone() };
    Routes::new(EnrollmentServer::new(enrollment))
        .add_service(MintingServer::new(minting))
        .add_service(PlacementServer::new(PlacementService { authority }))
        .into_axum_router()
        .layer(axum::middleware::from_fn(deadline::enforce))
}
