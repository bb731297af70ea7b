//! The Minting service.

use moneyer_authority::Authority;
use moneyer_authority::enrollment::AuthenticatedRunner;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_identity::{ClusterId, MintedToken, OrganizationId, SandboxId, SystemWorkloadName};
use moneyer_proto::v1;
use moneyer_proto::v1::minting_server::Minting;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::delegation::{DelegationDesk, DelegationFailure};
use crate::grpc::bundles::BundleStream;
use crate::grpc::limit::MintLimits;
use crate::grpc::watch::SandboxStream;
use crate::grpc::{bundles, caller, convert, status, watch};
use crate::metrics::Metrics;

/// Most tokens in one batch: 64 RSA-2048 signatures are 16 ms on one core.
const MAXIMUM_BATCH: usize = 64;

/// Serves runners.
#[derive(Debug, Clone)]
pub(super) struct MintingService {
    pub(super) authority: Authority,
    pub(super) limits: MintLimits,
    pub(super) metrics: Metrics,
    pub(super) delegations: DelegationDesk,
    pub(super) going_down: CancellationToken,
}

impl MintingService {
    async fn mint(
        &self,
        runner: &AuthenticatedRunner,
        request: v1::MintTokenRequest,
    ) -> Result<v1::MintTokenResponse, Status> {
        let since = Instant::now();
        let converted = self.convert(runner, &request);
        let (sandbox, ask) = converted.map_err(|status| self.refused(runner, status))?;
        let minted = self.authority.mint(runner, &sandbox, ask).await;
        self.told(minted, since)
    }

    /// Every request's own outcome, in their order.
    async fn mint_all(
        &self,
        runner: &AuthenticatedRunner,
        requests: Vec<v1::MintTokenRequest>,
    ) -> Vec<Result<v1::MintTokenResponse, Status>> {
        let since = Instant::now();
        let mut asked = Vec::with_capacity(requests.len());
        let mut converted = Vec::with_capacity(requests.len());
        for request in requests {
            let convert = self.convert(runner, &request);
            let converted_one = convert.map_err(|status| self.refused(runner, status));
            converted.push(converted_one.map(|ask| asked.push(ask)));
        }
        let mut minted = self.authority.mint_all(runner, asked).await.into_iter();
        let mut told = |()| match minted.next() {
            Some(minted) => self.told(minted, since),
            None => Err(status::going_down()),
        };
        converted.into_iter().map(|converted| converted.and_then(&mut told)).collect()
    }

    /// What a request asks for, taken out of the shares of its runner and sandbox.
    fn convert(
        &self,
        runner: &AuthenticatedRunner,
        request: &v1::MintTokenRequest,
    ) -> Result<(SandboxId, Ask), Status> {
        let sandbox: SandboxId = convert::parse("sandbox_id", &request.sandbox_id)?;
        let ask = convert::ask(&request.audience, request.lifetime_seconds)?;
        self.take_share(runner, &sandbox)?;
        Ok((sandbox, ask))
    }

    /// The sandbox of an SVID, taken out of the same shares: a signature is one.
    fn x509_share(&self, runner: &AuthenticatedRunner, sandbox: &str) -> Result<SandboxId, Status> {
        let sandbox: SandboxId = convert::parse("sandbox_id", sandbox)?;
        self.take_share(runner, &sandbox)?;
        Ok(sandbox)
    }

    /// A share is kept only for what is placed here; made-up ids come out of the runner's own.
    fn take_share(&self, runner: &AuthenticatedRunner, sandbox: &SandboxId) -> Result<(), Status> {
        let placed = self.authority.registry().permit(runner, sandbox).is_ok();
        self.limits.take(runner.id(), placed.then_some(sandbox))
    }

    fn convert_system(
        &self,
        runner: &AuthenticatedRunner,
        request: &v1::MintSystemTokenRequest,
    ) -> Result<(SystemWorkloadName, Ask), Status> {
        let workload = convert::parse("system_workload", &request.system_workload)?;
        let ask = convert::ask(&request.audience, request.lifetime_seconds)?;
        self.limits.take(runner.id(), None)?;
        Ok((workload, ask))
    }

    /// Records a refusal that comes before any rule is asked.
    fn refused(&self, runner: &AuthenticatedRunner, status: Status) -> Status {
        self.authority.refused(runner, status::class(&status), status.message());
        status
    }

    /// Counts the outcome and puts it into a message.
    fn told(
        &self,
        minted: Result<MintedToken, MintError>,
        since: Instant,
    ) -> Result<v1::MintTokenResponse, Status> {
        self.metrics.minted(since, &minted);
        minted.map(|token| convert::minted(&token)).map_err(|error| status::mint(&error))
    }
}

#[tonic::async_trait]
impl Minting for MintingService {
    type WatchSandboxesStream = SandboxStream;
    type WatchTrustBundlesStream = BundleStream;

    async fn get_issuer(
        &self,
        request: Request<v1::GetIssuerRequest>,
    ) -> Result<Response<v1::GetIssuerResponse>, Status> {
        caller::runner(&self.authority, &request).await?;
        let charter = self.authority.charter();
        let lifetimes = charter.policy.lifetimes();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(Response::new(v1::GetIssuerResponse {
            issuer: self.authority.issuer().as_str().to_owned(),
            organization_id: text(charter.parts.organization.as_ref().map(OrganizationId::as_str)),
            cluster_id: text(charter.parts.cluster.as_ref().map(ClusterId::as_str)),
            default_audience: charter.policy.default_audience().as_str().to_owned(),
            default_lifetime_seconds: lifetimes.default_lifetime().seconds(),
            minimum_lifetime_seconds: lifetimes.minimum().seconds(),
            maximum_lifetime_seconds: lifetimes.maximum().seconds(),
        }))
    }

    async fn mint_token(
        &self,
        request: Request<v1::MintTokenRequest>,
    ) -> Result<Response<v1::MintTokenResponse>, Status> {
        let runner = caller::runner(&self.authority, &request).await?;
        self.mint(&runner, request.into_inner()).await.map(Response::new)
    }

    async fn mint_tokens(
        &self,
        request: Request<v1::MintTokensRequest>,
    ) -> Result<Response<v1::MintTokensResponse>, Status> {
        let runner = caller::runner(&self.authority, &request).await?;
        let requests = request.into_inner().requests;
        if requests.is_empty() || requests.len() > MAXIMUM_BATCH {
            return Err(status::invalid(format!("a batch has 1 to {MAXIMUM_BATCH} requests")));
        }
        let minted = self.mint_all(&runner, requests).await;
        let results = minted.into_iter().map(|result| {
            use v1::mint_token_result::Result as Either;
            let result = match result {
                Ok(token) => Either::Token(token),
                Err(status) => Either::Refusal(v1::Refusal {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                }),
            };
            v1::MintTokenResult { result: Some(result) }
        });
        Ok(Response::new(v1::MintTokensResponse { results: results.collect() }))
    }

    async fn mint_system_token(
        &self,
        request: Request<v1::MintSystemTokenRequest>,
    ) -> Result<Response<v1::MintSystemTokenResponse>, Status> {
        let since = Instant::now();
        let runner = caller::runner(&self.authority, &request).await?;
        let converted = self.convert_system(&runner, &request.into_inner());
        let (workload, ask) = converted.map_err(|status| self.refused(&runner, status))?;
        let minted = self.authority.mint_system(&runner, &workload, ask).await;
        let token = Some(self.told(minted, since)?);
        Ok(Response::new(v1::MintSystemTokenResponse { token }))
    }

    async fn mint_jwt_svid(
        &self,
        request: Request<v1::MintJwtSvidRequest>,
    ) -> Result<Response<v1::MintJwtSvidResponse>, Status> {
        let since = Instant::now();
        let runner = caller::runner(&self.authority, &request).await?;
        let v1::MintJwtSvidRequest { sandbox_id, audience, lifetime_seconds } =
            request.into_inner();
        if audience.is_empty() {
            return Err(status::invalid("audience is empty: a JWT-SVID is for somebody"));
        }
        let request = v1::MintTokenRequest { sandbox_id, audience, lifetime_seconds };
        let converted = self.convert(&runner, &request);
        let (sandbox, ask) = converted.map_err(|status| self.refused(&runner, status))?;
        let minted = self.authority.mint_jwt_svid(&runner, &sandbox, ask).await;
        let (id, minted) = match minted {
            Ok((id, token)) => (id.into(), Ok(token)),
            Err(error) => (String::new(), Err(error)),
        };
        let token = Some(self.told(minted, since)?);
        Ok(Response::new(v1::MintJwtSvidResponse { token, spiffe_id: id }))
    }

    async fn sign_x509_svid(
        &self,
        request: Request<v1::SignX509SvidRequest>,
    ) -> Result<Response<v1::SignX509SvidResponse>, Status> {
        let runner = caller::runner(&self.authority, &request).await?;
        let request = request.into_inner();
        let sandbox = self.x509_share(&runner, &request.sandbox_id).inspect_err(|status| {
            self.authority.refused_x509_svid(&runner, status::class(status), status.message());
        })?;
        let csr = &request.certificate_request;
        let signed = self.authority.sign_x509_svid(&runner, &sandbox, csr).await;
        self.metrics.x509_svid_signed(&signed);
        let svid = signed.map_err(|error| status::svid(&error))?;
        Ok(Response::new(convert::x509_svid(svid)))
    }

    async fn exchange_subject_token(
        &self,
        request: Request<v1::ExchangeSubjectTokenRequest>,
    ) -> Result<Response<v1::ExchangeSubjectTokenResponse>, Status> {
        let runner = caller::runner(&self.authority, &request).await?;
        let asked = convert::subject_ask(request.into_inner()).and_then(|(sandbox, ask)| {
            self.take_share(&runner, &sandbox)?;
            Ok((sandbox, ask))
        });
        let (sandbox, ask) = asked.inspect_err(|status| {
            let told = status.message();
            self.authority.refused_subject_token(&runner, None, status::class(status), told);
        })?;
        let readdressed = self.delegations.token(&runner, &sandbox, &ask).await;
        self.metrics.readdressed(readdressed.as_ref().map(drop).map_err(DelegationFailure::class));
        let readdressed = readdressed.map_err(|failure| status::delegation(&failure))?;
        Ok(Response::new(convert::readdressed(&readdressed)))
    }

    async fn watch_trust_bundles(
        &self,
        request: Request<v1::WatchTrustBundlesRequest>,
    ) -> Result<Response<BundleStream>, Status> {
        let runner = caller::runner(&self.authority, &request).await?;
        let leaf = caller::leaf(&request)?;
        bundles::open(&self.authority, &runner, leaf, self.going_down.clone()).map(Response::new)
    }

    async fn watch_sandboxes(
        &self,
        request: Request<v1::WatchSandboxesRequest>,
    ) -> Result<Response<SandboxStream>, Status> {
        let runner = caller::runner(&self.authority, &request).await?;
        let leaf = caller::leaf(&request)?;
        let receipt = request.into_inner().receipt;
        watch::open(&self.authority, &runner, leaf, receipt, self.going_down.clone())
            .await
            .map(Response::new)
    }
}
