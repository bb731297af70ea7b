//! The Workload API over its socket, by a client that knows nothing but the wire. The tests that are named
//! after lines of the SPIFFE checklist (W-1 to W-14) hold those.

mod endpoint;
mod independent;
mod jwt;
mod outage;
mod validation;
mod x509;

use std::path::Path;
use std::time::Duration;

use moneyer_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use moneyer_proto::workload::{
    JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
    ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse, X509svidRequest,
    X509svidResponse,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::host::Proxy;

/// Longer than anything here may take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process in a sandbox.
#[derive(Clone)]
pub(crate) struct Workload(SpiffeWorkloadApiClient<Channel>, Channel);

/// The security header that every client sends.
pub(crate) fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("workload.spiffe.io", "true".parse().unwrap());
    request
}

pub(crate) async fn connect(socket: &Path) -> Channel {
    let uri = format!("unix://{}", socket.display());
    Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
}

impl Workload {
    pub(crate) async fn of(proxy: &Proxy, sandbox: &str) -> Self {
        let socket = proxy.directory(sandbox).join("workload-api.sock");
        let channel = connect(&socket).await;
        Self(SpiffeWorkloadApiClient::new(channel.clone()), channel)
    }

    pub(crate) async fn x509_svids(&self) -> Result<Streaming<X509svidResponse>, Status> {
        let mut client = self.0.clone();
        Ok(client.fetch_x509svid(with_header(X509svidRequest {})).await?.into_inner())
    }

    pub(crate) async fn x509_bundles(&self) -> Result<Streaming<X509BundlesResponse>, Status> {
        let mut client = self.0.clone();
        Ok(client.fetch_x509_bundles(with_header(X509BundlesRequest {})).await?.into_inner())
    }

    pub(crate) async fn jwt_bundles(&self) -> Result<Streaming<JwtBundlesResponse>, Status> {
        let mut client = self.0.clone();
        Ok(client.fetch_jwt_bundles(with_header(JwtBundlesRequest {})).await?.into_inner())
    }

    pub(crate) async fn jwt_svid(
        &self,
        audience: &[&str],
        spiffe_id: &str,
    ) -> Result<JwtsvidResponse, Status> {
        let audience = audience.iter().map(|text| (*text).to_owned()).collect();
        let request = JwtsvidRequest { audience, spiffe_id: spiffe_id.to_owned() };
        Ok(self.0.clone().fetch_jwtsvid(with_header(request)).await?.into_inner())
    }

    pub(crate) async fn validate(
        &self,
        audience: &str,
        svid: &str,
    ) -> Result<ValidateJwtsvidResponse, Status> {
        let (audience, svid) = (audience.to_owned(), svid.to_owned());
        let request = ValidateJwtsvidRequest { audience, svid };
        Ok(self.0.clone().validate_jwtsvid(with_header(request)).await?.into_inner())
    }
}

/// The next message of a stream, which must come.
pub(crate) async fn next<M>(stream: &mut Streaming<M>) -> Result<M, Status> {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap()?;
    // Never ends without a status.
    Ok(message.unwrap())
}

/// Whether nothing comes for a moment.
pub(crate) async fn is_quiet<M>(stream: &mut Streaming<M>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), stream.message()).await.is_err()
}
