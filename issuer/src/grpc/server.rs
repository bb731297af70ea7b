//! The three services behind one door.
//!
//! A call is let in, given its deadline and handed to its service in one step. A router with a layer for
//! each would copy the services, and allocate, several times a call: a tenth of what a token costs beside
//! its signature.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use moneyer_authority::Authority;
use moneyer_daemon::listener::Peer;
use moneyer_proto::v1::enrollment_server::EnrollmentServer;
use moneyer_proto::v1::minting_server::MintingServer;
use moneyer_proto::v1::placement_server::PlacementServer;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tower::Service;

use crate::delegation::DelegationDesk;
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
    /// Where users' tokens are readdressed.
    pub(crate) delegations: DelegationDesk,
    /// Cancelled when the daemon goes down, so that streams end.
    pub(crate) going_down: CancellationToken,
}

/// The gRPC listener's routes. Compression is off: a small message must not become a large one.
pub(crate) fn router(parts: GrpcParts) -> Router {
    let GrpcParts { authority, limits, metrics, delegations, going_down } = parts;
    let enrollment = EnrollmentService { authority: authority.clone(), limits: limits.clone() };
    let placement = PlacementService { authority: authority.clone(), metrics: metrics.clone() };
    let minting = MintingService { authority, limits, metrics, delegations, going_down };
    Router::new().fallback_service(Door {
        enrollment: EnrollmentServer::new(enrollment)
            .max_decoding_message_size(ENROLLMENT_MESSAGE_BYTES),
        minting: MintingServer::new(minting),
        placement: PlacementServer::new(placement),
    })
}

/// Lets calls in to the services.
#[derive(Clone)]
struct Door {
    enrollment: EnrollmentServer<EnrollmentService>,
    minting: MintingServer<MintingService>,
    placement: PlacementServer<PlacementService>,
}

type Answer = Result<Response<tonic::body::Body>, Infallible>;
type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Door {
    /// Begins a call of the service its path names: `/moneyer.v1.Minting/MintToken`.
    fn begin(&mut self, request: Request<Body>) -> Option<Call> {
        let (service, _method) = request.uri().path().strip_prefix('/')?.split_once('/')?;
        match service {
            MintingServer::<MintingService>::NAME => Some(self.minting.call(request)),
            PlacementServer::<PlacementService>::NAME => Some(self.placement.call(request)),
            EnrollmentServer::<EnrollmentService>::NAME => Some(self.enrollment.call(request)),
            _ => None,
        }
    }
}

impl Service<Request<Body>> for Door {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let deadline = deadline::of(request.headers());
        let begun = if is_let_in(&request) {
            self.begin(request).ok_or_else(status::no_such_call)
        } else {
            Err(status::wrong_caller())
        };
        Box::pin(async move {
            match begun {
                Ok(call) => deadline::within(deadline, call).await,
                Err(refused) => Ok(refused.into_http()),
            }
        })
    }
}

/// Answers a connection without a certificate nothing but joining, before a byte of its message is read:
/// what strangers may make us hold is one small message each.
fn is_let_in(request: &Request<Body>) -> bool {
    let member = request.extensions().get::<Arc<Peer>>().is_some_and(|p| p.certificate.is_some());
    member || FOR_STRANGERS.contains(&request.uri().path())
}
