//! Assertions from another Workload API.

use std::path::Path;

use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_identity::{Audience, ErrorClass};
use moneyer_proto::workload::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use moneyer_proto::workload::{
    JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse,
    X509svidRequest, X509svidResponse,
};
use tonic::{Request, Response, Status};

use super::endpoint::key;
use crate::grant::{AssertionError, Assertions as _, SocketAssertions};

/// Gives JWT-SVIDs of the length of their audience.
struct Api;

type Nothing<T> = futures_util::stream::Empty<Result<T, Status>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for Api {
    type FetchX509SVIDStream = Nothing<X509svidResponse>;
    async fn fetch_x509svid(
        &self,
        _: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        Err(Status::unimplemented(""))
    }

    type FetchX509BundlesStream = Nothing<X509BundlesResponse>;
    async fn fetch_x509_bundles(
        &self,
        _: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        let security = request.metadata().get("workload.spiffe.io");
        if security.is_none_or(|value| value != "true") {
            return Err(Status::invalid_argument("no security header"));
        }
        let asked = request.into_inner();
        let svid =
            |svid: String| Jwtsvid { spiffe_id: "spiffe://a/b".into(), svid, hint: String::new() };
        let svids = match asked.audience.as_slice() {
            [one] if one == "denied" => return Err(Status::permission_denied("no identity")),
            [one] if one == "none" => vec![],
            [one] if one == "long" => vec![svid("x".repeat(16 * 1024 + 1))],
            [one] => vec![svid(format!("first-{one}")), svid("second".to_owned())],
            _ => return Err(Status::invalid_argument("one audience")),
        };
        Ok(Response::new(JwtsvidResponse { svids }))
    }

    type FetchJWTBundlesStream = Nothing<JwtBundlesResponse>;
    async fn fetch_jwt_bundles(
        &self,
        _: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn validate_jwtsvid(
        &self,
        _: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn ask(path: &Path, audience: &str) -> Result<String, AssertionError> {
    let assertions = SocketAssertions { path: path.to_owned() };
    let holder = key("http://localhost:1/").holder;
    let svid = assertions.jwt_svid(&holder, &Audience::parse(audience).unwrap()).await?;
    Ok(svid.expose().to_owned())
}

#[tokio::test]
async fn the_default_identity_is_the_first_of_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    assert!(matches!(ask(&path, "alpha").await, Err(AssertionError::Connect { .. })));
    let listener = Listener::bind(&ListenAddress::Unix(path.clone()), UnixMode::Owner).unwrap();
    let router = tonic::service::Routes::new(SpiffeWorkloadApiServer::new(Api)).into_axum_router();
    tokio::spawn(async move {
        listener.serve(router, Limits::grpc(), Tls::Off, &Shutdown::new()).await;
    });
    assert_eq!(ask(&path, "alpha").await.unwrap(), "first-alpha");
    assert!(matches!(ask(&path, "none").await, Err(AssertionError::Answer)));
    assert!(matches!(ask(&path, "long").await, Err(AssertionError::Answer)));
    assert_eq!(ask(&path, "denied").await.unwrap_err().class(), ErrorClass::Denied);
}

#[tokio::test]
async fn one_that_says_nothing_is_given_up_after_ten_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let _silent = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert!(matches!(ask(&path, "alpha").await, Err(AssertionError::TooSlow)));
    assert_eq!(began.elapsed().as_secs(), 10);
}
