//! `/publish`: how it stands with the copies of the public documents, and writing them now.

use axum::Json;
use axum::extract::State;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::publish::{PublishRequests, PublishStatus};

pub(super) async fn show(
    _: Operator,
    State(publishing): State<PublishRequests>,
) -> Json<PublishStatus> {
    Json(publishing.status())
}

pub(super) async fn now(
    _: Operator,
    State(publishing): State<PublishRequests>,
) -> Result<Json<PublishStatus>, Problem> {
    Ok(Json(publishing.now().await?))
}
