//! The Control service.

use std::sync::Arc;

use axum::Router;
use moneyer_identity::{Audience, ErrorClass, ProfileName, SandboxId};
use moneyer_proto::v1;
use moneyer_proto::v1::control_server::{Control, ControlServer};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use super::peer;
use crate::forward::{Explanation, ForwardProxy};
use crate::sandbox::{AttachError, Attachments, Listed, TokenFileName};
use crate::token::TokenState;

struct ControlService {
    attachments: Arc<Attachments>,
    proxy: Option<ForwardProxy>,
}

/// What is served on the control socket.
pub(crate) fn router(attachments: Arc<Attachments>, proxy: Option<ForwardProxy>) -> Router {
    let service = ControlServer::new(ControlService { attachments, proxy });
    let router = Routes::new(service).into_axum_router();
    router.layer(axum::middleware::from_fn(peer::admit))
}

#[tonic::async_trait]
impl Control for ControlService {
    async fn attach_sandbox(
        &self,
        request: Request<v1::AttachSandboxRequest>,
    ) -> Result<Response<v1::AttachSandboxResponse>, Status> {
        let v1::AttachSandboxRequest { sandbox_id, profiles } = request.into_inner();
        let sandbox = parse_id(&sandbox_id)?;
        let profiles: Result<Vec<_>, _> = profiles.iter().map(|name| parse_profile(name)).collect();
        let attached = self.attachments.attach(&sandbox, profiles?).await;
        let attached = attached.map_err(|error| status(&error))?;
        let variables = attached.environment.iter().map(|(name, value)| v1::EnvironmentVariable {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        Ok(Response::new(v1::AttachSandboxResponse {
            directory: attached.directory.display().to_string(),
            environment: variables.collect(),
            warnings: attached.warnings,
        }))
    }

    async fn detach_sandbox(
        &self,
        request: Request<v1::DetachSandboxRequest>,
    ) -> Result<Response<v1::DetachSandboxResponse>, Status> {
        let sandbox = parse_id(&request.into_inner().sandbox_id)?;
        let detached = self.attachments.detach(&sandbox).await;
        let was_attached = detached.map_err(|error| status(&error))?;
        Ok(Response::new(v1::DetachSandboxResponse { was_attached }))
    }

    async fn list_attached(
        &self,
        _request: Request<v1::ListAttachedRequest>,
    ) -> Result<Response<v1::ListAttachedResponse>, Status> {
        let sandboxes = self.attachments.list().await.into_iter().map(listed).collect();
        Ok(Response::new(v1::ListAttachedResponse { sandboxes }))
    }

    async fn explain_grant(
        &self,
        request: Request<v1::ExplainGrantRequest>,
    ) -> Result<Response<v1::ExplainGrantResponse>, Status> {
        let v1::ExplainGrantRequest { sandbox_id, method, url } = request.into_inner();
        let sandbox = parse_id(&sandbox_id)?;
        let off = || Status::failed_precondition("the forward proxy is off; set forward.listen");
        let proxy = self.proxy.as_ref().ok_or_else(off)?;
        Ok(Response::new(explained(proxy.explain(&sandbox, &method, &url).await)))
    }
}

fn explained(told: Explanation) -> v1::ExplainGrantResponse {
    let text = |audience: &Audience| audience.as_str().to_owned();
    let tokens = told.tokens.iter().map(|grant| v1::ExplainedToken {
        provider: grant.provider.to_string(),
        credential: grant.credential.to_string(),
        header: grant.placement.header().to_string(),
        token_endpoint: grant.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
        grant_type: grant.kind.as_str().to_owned(),
        audience: grant.audience.as_ref().map(text).unwrap_or_default(),
        scope: grant.scope().unwrap_or_default(),
        jwt_svid_audience: text(&grant.svid_audience),
    });
    v1::ExplainGrantResponse {
        outcome: told.outcome.to_owned(),
        reason: told.reason,
        destination: told.destination,
        target: told.target,
        revision: told.revision,
        provider: told.provider,
        addresses: told.addresses.iter().map(ToString::to_string).collect(),
        tokens: tokens.collect(),
    }
}

fn listed(listed: Listed) -> v1::AttachedSandbox {
    v1::AttachedSandbox {
        sandbox_id: listed.sandbox.to_string(),
        app: listed.app,
        directory: listed.directory.display().to_string(),
        files: listed.files.iter().map(|(name, state)| file(name, *state)).collect(),
    }
}

fn file(name: &TokenFileName, state: TokenState) -> v1::TokenFile {
    let (state, expires_in_seconds) = match state {
        TokenState::Waiting => (v1::TokenFileState::Waiting, 0),
        TokenState::Refused => (v1::TokenFileState::Refused, 0),
        TokenState::Current { remaining } => {
            (v1::TokenFileState::Current, u32::try_from(remaining.as_secs()).unwrap_or(u32::MAX))
        }
    };
    v1::TokenFile { path: name.to_string(), state: state.into(), expires_in_seconds }
}

fn parse_id(text: &str) -> Result<SandboxId, Status> {
    let refused = |error| Status::invalid_argument(format!("the sandbox's id {error}"));
    SandboxId::parse(text).map_err(refused)
}

fn parse_profile(text: &str) -> Result<ProfileName, Status> {
    let refused = |error| Status::invalid_argument(format!("the profile's name {error}"));
    ProfileName::parse(text).map_err(refused)
}

/// The only place that turns an error of this daemon into a gRPC status. The caller could read the
/// log as well, so the causes are told.
fn status(error: &AttachError) -> Status {
    let code = match error.class() {
        ErrorClass::Invalid => Code::InvalidArgument,
        ErrorClass::Unauthenticated => Code::Unauthenticated,
        ErrorClass::Denied => Code::PermissionDenied,
        ErrorClass::NotFound => Code::NotFound,
        ErrorClass::Conflict => Code::FailedPrecondition,
        ErrorClass::Exhausted => Code::ResourceExhausted,
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Internal => Code::Internal,
    };
    let told = crate::chain(error);
    if error.class() == ErrorClass::Internal {
        tracing::error!(error.cause = told, "a command failed");
    }
    Status::new(code, told)
}
