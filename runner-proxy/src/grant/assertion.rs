//! The assertion: a JWT-SVID that says which sandbox asks (SPIFFE JWT-SVID, RFC 7523 section 3).
//!
//! It is the sandbox's own, from where the Workload API has it, or that of whoever another Workload API takes this
//! proxy for. The sandbox sees neither: its own Workload API, token server and files have none for the
//! audiences of its grants.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use moneyer_daemon::oauth::ClientAssertion;
use moneyer_identity::{Audience, ErrorClass, IssueError, TokenRequest};
use moneyer_proto::workload::JwtsvidRequest;
use moneyer_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use super::cache::Holder;
use crate::coordinator::KnownPlacement;
use crate::svid::Subject;

/// Time for a Workload API to answer, the connection included.
const WORKLOAD_API_LIMIT: Duration = Duration::from_secs(10);

/// Most bytes of a JWT-SVID: twice what servers of tokens take.
const MAXIMUM_SVID_BYTES: usize = 16 * 1024;

/// Why there is no assertion.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssertionError {
    /// The sandbox has no SPIFFE ID.
    #[error("the sandbox has no SPIFFE ID")]
    NoIdentity,
    /// The coordinator was not heard yet.
    #[error("the coordinator has not yet said who the sandbox is")]
    Unknown,
    /// The coordinator did not mint it.
    #[error("the coordinator minted no JWT-SVID")]
    Mint(#[source] IssueError),
    /// The other Workload API is not there.
    #[error("the Workload API at {path} cannot be reached")]
    Connect {
        /// Its socket.
        path: PathBuf,
        /// What the transport said.
        #[source]
        source: tonic::transport::Error,
    },
    /// It refused.
    #[error("the Workload API gave no JWT-SVID")]
    Refused(#[source] Box<tonic::Status>),
    /// It gave none, or one that is too long.
    #[error("the Workload API's answer holds no JWT-SVID that can be used")]
    Answer,
    /// It is to be the token, and cannot be.
    #[error("the JWT-SVID cannot be a token: it says no end, or that has come; check the clocks")]
    NoToken,
    /// It took too long.
    #[error("the Workload API did not answer within {} s", WORKLOAD_API_LIMIT.as_secs())]
    TooSlow,
}

impl AssertionError {
    /// Which class of failure it is.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::NoIdentity => ErrorClass::Denied,
            Self::Mint(error) => error.class,
            Self::Refused(status) if status.code() == Code::PermissionDenied => ErrorClass::Denied,
            Self::Unknown | Self::Connect { .. } | Self::Refused(_) | Self::TooSlow => {
                ErrorClass::Unavailable
            }
            Self::Answer | Self::NoToken => ErrorClass::Internal,
        }
    }
}

/// Where assertions come from.
#[async_trait]
pub(crate) trait Assertions: Send + Sync {
    /// The JWT-SVID for one audience of whoever holds a grant.
    async fn jwt_svid(
        &self,
        holder: &Holder,
        audience: &Audience,
    ) -> Result<ClientAssertion, AssertionError>;
}

/// From the coordinator, by way of the cache that the sandbox's Workload API has.
pub(crate) struct OwnAssertions {
    /// Who the sandboxes are.
    pub(crate) placement: Arc<KnownPlacement>,
    /// Where JWT-SVIDs come from.
    pub(crate) source: crate::token::TokenSource,
}

#[async_trait]
impl Assertions for OwnAssertions {
    async fn jwt_svid(
        &self,
        holder: &Holder,
        audience: &Audience,
    ) -> Result<ClientAssertion, AssertionError> {
        let is_meant = |placed: &crate::coordinator::PlacedSandbox| {
            !placed.occupant.is_another_than(&holder.occupant)
        };
        let id = match self.placement.subject_of(&holder.sandbox, is_meant) {
            Subject::Of(id) => id,
            Subject::Nobody => return Err(AssertionError::NoIdentity),
            Subject::Unknown => return Err(AssertionError::Unknown),
        };
        let (sandbox, audiences) = (holder.sandbox.clone(), vec![audience.clone()]);
        let asked = TokenRequest { sandbox, audiences, lifetime: None };
        let minted = self.source.assertion(id, asked).await.map_err(AssertionError::Mint)?;
        Ok(ClientAssertion::new(minted.token.expose().to_owned()))
    }
}

/// From the Workload API at a socket, as the identity it takes this proxy for.
pub(crate) struct SocketAssertions {
    /// The socket.
    pub(crate) path: PathBuf,
}

impl SocketAssertions {
    async fn fetch(&self, audience: &Audience) -> Result<ClientAssertion, AssertionError> {
        let path = self.path.clone();
        let connector = tower::service_fn(move |_: http::Uri| {
            let path = path.clone();
            async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
        });
        let channel = Endpoint::from_static("http://localhost")
            .connect_with_connector(connector)
            .await
            .map_err(|source| AssertionError::Connect { path: self.path.clone(), source })?;
        let audience = vec![audience.as_str().to_owned()];
        let mut request = Request::new(JwtsvidRequest { audience, spiffe_id: String::new() });
        let security = tonic::metadata::MetadataValue::from_static("true");
        request.metadata_mut().insert("workload.spiffe.io", security);
        let answer = SpiffeWorkloadApiClient::new(channel).fetch_jwtsvid(request).await;
        let answer = answer.map_err(|status| AssertionError::Refused(Box::new(status)))?;
        // The first is the default identity (Workload API section 6.2.1).
        let svid = answer.into_inner().svids.into_iter().next().map(|svid| svid.svid);
        let svid = svid.filter(|svid| (1..=MAXIMUM_SVID_BYTES).contains(&svid.len()));
        svid.map(ClientAssertion::new).ok_or(AssertionError::Answer)
    }
}

#[async_trait]
impl Assertions for SocketAssertions {
    async fn jwt_svid(
        &self,
        _holder: &Holder,
        audience: &Audience,
    ) -> Result<ClientAssertion, AssertionError> {
        let fetched = tokio::time::timeout(WORKLOAD_API_LIMIT, self.fetch(audience)).await;
        fetched.map_err(|_over| AssertionError::TooSlow)?
    }
}
