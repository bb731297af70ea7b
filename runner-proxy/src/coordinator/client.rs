//! Tokens and SVIDs from the coordinator over gRPC.
//!
//! Each call has a deadline and is made once: whether to try again, and when, is for the schedule
//! of renewals to say, or for the sandbox. Without a connection a call fails at once. One whose
//! connection breaks under it is made again, on the next: the coordinator ends every connection at an
//! age, and a call that is on its way at that moment was mostly never read.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_daemon::oauth::ClientAssertion;
use moneyer_identity::grant::{BearerToken, TokenGrant};
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{
    Audience, IssueError, IssuerUrl, Lifetime, MintedToken, SandboxId, SystemTokenRequest,
    TokenIssuer, TokenRequest,
};
use moneyer_proto::v1;
use moneyer_proto::v1::minting_client::MintingClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::link::{CALL_LIMIT, Link};
use super::placement::KnownPlacement;
use super::{convert, status};
use crate::grant::{Holder, SubjectTokens};
use crate::svid::{SignedSvid, SvidSigner};
use crate::token::BatchIssuer;

/// The coordinator as a source of tokens. Clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct CoordinatorClient {
    link: Arc<Link>,
    placement: Arc<KnownPlacement>,
}

impl CoordinatorClient {
    pub(crate) fn new(link: Arc<Link>, placement: Arc<KnownPlacement>) -> Self {
        Self { link, placement }
    }

    async fn call<T: Send, F>(
        &self,
        call: impl Fn(MintingClient<Channel>) -> F + Send + Sync,
    ) -> Result<T, IssueError>
    where
        F: Future<Output = Result<Response<T>, Status>> + Send,
    {
        if !self.link.is_connected() {
            return Err(status::away());
        }
        within_limit(again_if_cut_off(|| call(self.link.minting()))).await
    }
}

/// Times a call is made whose connection breaks under it, and the pause before the next: a connection that
/// is closing takes a moment to be known for closed, and one more call may still be given to it.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(10);

/// The answer of a call, which is made again if its connection broke.
pub(super) async fn again_if_cut_off<T: Send, F>(
    call: impl Fn() -> F + Send + Sync,
) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<Response<T>, Status>> + Send,
{
    for _ in 1..ATTEMPTS {
        match call().await {
            Err(cut_off) if status::is_cut_off(&cut_off) => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
    call().await
}

/// The answer of a call, if it comes in time.
pub(super) async fn within_limit<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, IssueError> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => {
            tracing::debug!(rpc.code = ?status.code(), rpc.message = status.message(), "a call failed");
            Err(status::of_status(&status))
        }
        Err(_late) => Err(status::away()),
    }
}

/// A request that tells the coordinator when to give up.
pub(super) fn with_limit<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_LIMIT);
    request
}

#[async_trait]
impl TokenIssuer for CoordinatorClient {
    async fn issue_token(&self, request: TokenRequest) -> Result<MintedToken, IssueError> {
        let message = convert::request(&request);
        let call = |mut client: MintingClient<Channel>| {
            let request = with_limit(message.clone());
            async move { client.mint_token(request).await }
        };
        convert::minted(self.call(call).await?)
    }

    async fn issue_system_token(
        &self,
        request: SystemTokenRequest,
    ) -> Result<MintedToken, IssueError> {
        let message = v1::MintSystemTokenRequest {
            system_workload: request.workload.to_string(),
            audience: request.audiences.iter().map(Audience::to_string).collect(),
            lifetime_seconds: request.lifetime.map_or(0, Lifetime::seconds),
        };
        let call = |mut client: MintingClient<Channel>| {
            let request = with_limit(message.clone());
            async move { client.mint_system_token(request).await }
        };
        let response = self.call(call).await?;
        convert::minted(response.token.ok_or_else(status::nonsense)?)
    }

    async fn issuer_url(&self) -> Result<IssuerUrl, IssueError> {
        let known = self.placement.now().issuer.as_ref().map(|facts| facts.issuer.clone());
        known.ok_or_else(status::away)
    }
}

#[async_trait]
impl BatchIssuer for CoordinatorClient {
    async fn issue_tokens(
        &self,
        requests: Vec<TokenRequest>,
    ) -> Result<Vec<Result<MintedToken, IssueError>>, IssueError> {
        let requests = requests.iter().map(convert::request).collect();
        let message = v1::MintTokensRequest { requests };
        let call = |mut client: MintingClient<Channel>| {
            let request = with_limit(message.clone());
            async move { client.mint_tokens(request).await }
        };
        Ok(self.call(call).await?.results.into_iter().map(convert::result).collect())
    }

    async fn issue_jwt_svid(
        &self,
        request: TokenRequest,
    ) -> Result<(SpiffeId, MintedToken), IssueError> {
        let message = convert::jwt_svid_request(&request);
        let call = |mut client: MintingClient<Channel>| {
            let request = with_limit(message.clone());
            async move { client.mint_jwt_svid(request).await }
        };
        convert::jwt_svid(self.call(call).await?)
    }
}

#[async_trait]
impl SubjectTokens for CoordinatorClient {
    async fn readdressed(
        &self,
        holder: &Holder,
        grant: &TokenGrant,
        assertion: &ClientAssertion,
    ) -> Result<BearerToken, IssueError> {
        let request = || v1::ExchangeSubjectTokenRequest {
            sandbox_id: holder.sandbox.to_string(),
            provider: grant.provider.to_string(),
            credential: grant.credential.to_string(),
            jwt_svid: assertion.expose().to_owned(),
        };
        let call = |mut client: MintingClient<Channel>| {
            let request = with_limit(request());
            async move { client.exchange_subject_token(request).await }
        };
        let token = self.call(call).await?.access_token;
        BearerToken::parse(token).map_err(|_no_token68| status::nonsense())
    }
}

#[async_trait]
impl SvidSigner for CoordinatorClient {
    async fn sign_x509_svid(
        &self,
        sandbox: &SandboxId,
        certificate_request: Vec<u8>,
    ) -> Result<SignedSvid, IssueError> {
        let message =
            v1::SignX509SvidRequest { sandbox_id: sandbox.to_string(), certificate_request };
        let call = |mut client: MintingClient<Channel>| {
            let request = with_limit(message.clone());
            async move { client.sign_x509_svid(request).await }
        };
        convert::x509_svid(self.call(call).await?)
    }
}
