//! The Placement service.

use moneyer_authority::Authority;
use moneyer_authority::registry::{AppChange, EndingChange, PageRequest, Sandbox};
use moneyer_identity::{AppName, Audience, SandboxId};
use moneyer_proto::v1;
use moneyer_proto::v1::placement_server::Placement;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::grpc::{caller, convert, status};
use crate::metrics::Metrics;

/// Serves sandbox controllers.
#[derive(Debug, Clone)]
pub(super) struct PlacementService {
    pub(super) authority: Authority,
    pub(super) metrics: Metrics,
}

#[tonic::async_trait]
impl Placement for PlacementService {
    async fn put_app(
        &self,
        request: Request<v1::PutAppRequest>,
    ) -> Result<Response<v1::PutAppResponse>, Status> {
        let controller = caller::controller(&self.authority, &request).await?;
        let app = request.into_inner().app.ok_or_else(|| status::invalid("app is missing"))?;
        let audience = |text: &String| {
            Audience::parse(text).map_err(|error| status::invalid(error.to_string()))
        };
        let change = AppChange {
            name: convert::parse("app.name", &app.name)?,
            audiences: app.audiences.iter().map(audience).collect::<Result<_, _>>()?,
            accounts: app.accounts.as_ref().map(convert::accounts).transpose()?,
            spiffe_ending: match &app.spiffe_ending {
                Some(text) => EndingChange::Own(convert::parse("app.spiffe_ending", text)?),
                None => EndingChange::AsBefore,
            },
        };
        let put = self.authority.put_app(&controller, change);
        let app = put.await.map_err(|error| status::registry(&error))?;
        Ok(Response::new(v1::PutAppResponse { app: Some(convert::app(&app)) }))
    }

    async fn remove_app(
        &self,
        request: Request<v1::RemoveAppRequest>,
    ) -> Result<Response<v1::RemoveAppResponse>, Status> {
        let controller = caller::controller(&self.authority, &request).await?;
        let name: AppName = convert::parse("name", &request.into_inner().name)?;
        let removed = self.authority.registry().remove_app(&controller, name).await;
        removed.map_err(|error| status::registry(&error))?;
        Ok(Response::new(v1::RemoveAppResponse {}))
    }

    async fn put_sandbox(
        &self,
        request: Request<v1::PutSandboxRequest>,
    ) -> Result<Response<v1::PutSandboxResponse>, Status> {
        let controller = caller::controller(&self.authority, &request).await?;
        let sandbox = request.into_inner().sandbox;
        let sandbox = sandbox.ok_or_else(|| status::invalid("sandbox is missing"))?;
        let sandbox = Sandbox {
            id: convert::parse("sandbox.id", &sandbox.id)?,
            app: convert::parse("sandbox.app", &sandbox.app)?,
            runner: convert::parse("sandbox.runner_id", &sandbox.runner_id)?,
            role: convert::parse_optional("sandbox.role", &sandbox.role)?,
            placed_at: self.authority.now(),
        };
        let put = self.authority.registry().put_sandbox(&controller, sandbox).await;
        let generation = put.map_err(|error| status::registry(&error))?.0;
        Ok(Response::new(v1::PutSandboxResponse { generation }))
    }

    async fn remove_sandbox(
        &self,
        request: Request<v1::RemoveSandboxRequest>,
    ) -> Result<Response<v1::RemoveSandboxResponse>, Status> {
        let controller = caller::controller(&self.authority, &request).await?;
        let id: SandboxId = convert::parse("id", &request.into_inner().id)?;
        let removed = self.authority.registry().remove_sandbox(&controller, id).await;
        let generation = removed.map_err(|error| status::registry(&error))?.0;
        Ok(Response::new(v1::RemoveSandboxResponse { generation }))
    }

    async fn list_sandboxes(
        &self,
        request: Request<v1::ListSandboxesRequest>,
    ) -> Result<Response<v1::ListSandboxesResponse>, Status> {
        caller::controller(&self.authority, &request).await?;
        let request = request.into_inner();
        let page = PageRequest {
            app: convert::parse_optional("app", &request.app)?,
            runner: convert::parse_optional("runner_id", &request.runner_id)?,
            after: convert::parse_optional("page_token", &request.page_token)?,
            size: usize::try_from(request.page_size).unwrap_or(usize::MAX),
        };
        let listed = self.authority.registry().list_sandboxes(&page);
        let page = listed.map_err(|error| status::registry(&error))?;
        Ok(Response::new(v1::ListSandboxesResponse {
            sandboxes: page.sandboxes.iter().map(|placed| convert::sandbox(placed)).collect(),
            next_page_token: page.next.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        }))
    }

    async fn mint_token(
        &self,
        request: Request<v1::MintTokenRequest>,
    ) -> Result<Response<v1::MintTokenResponse>, Status> {
        let since = Instant::now();
        let controller = caller::controller(&self.authority, &request).await?;
        let request = request.into_inner();
        let sandbox = convert::parse("sandbox_id", &request.sandbox_id)?;
        let ask = convert::ask(&request.audience, request.lifetime_seconds)?;
        let minted = self.authority.mint_any(&controller, &sandbox, ask).await;
        self.metrics.minted(since, &minted);
        let token = minted.map_err(|error| status::mint(&error))?;
        Ok(Response::new(convert::minted(&token)))
    }
}
