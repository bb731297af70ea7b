//! `/audiences`: the profiles of audiences, and whether the registered apps fit them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use moneyer_authority::Authority;
use moneyer_authority::audiences::AudienceProfile;
use moneyer_identity::ProfileName;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::audience_views::{
    AudienceBody, AudienceCheckView, AudienceView, CheckedAppView,
};

pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<AudienceView>> {
    let policy = authority.profiles().policy();
    Json(policy.profiles().map(|profile| view(&authority, profile)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<ProfileName>, PathRejection>,
) -> Result<Json<AudienceView>, Problem> {
    let Path(name) = path?;
    with_profile(&authority, &name, |profile| view(&authority, profile))
}

pub(super) async fn put(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<ProfileName>, PathRejection>,
    body: Result<Json<AudienceBody>, JsonRejection>,
) -> Result<Json<AudienceView>, Problem> {
    let (Path(name), Json(body)) = (path?, body?);
    authority.put_audience(&operator, body.spec(name.clone())).await?;
    with_profile(&authority, &name, |profile| view(&authority, profile))
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<ProfileName>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = path?;
    authority.remove_audience(&operator, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the tokens of each app that may ask for it say, and what its relying party would refuse.
pub(super) async fn check(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<ProfileName>, PathRejection>,
) -> Result<Json<AudienceCheckView>, Problem> {
    let Path(name) = path?;
    with_profile(&authority, &name, |profile| {
        let apps = authority.apps_of(profile).map(CheckedAppView::from).collect();
        AudienceCheckView { audience: view(&authority, profile), apps }
    })
}

fn with_profile<T>(
    authority: &Authority,
    name: &ProfileName,
    show: impl FnOnce(&AudienceProfile) -> T,
) -> Result<Json<T>, Problem> {
    let policy = authority.profiles().policy();
    let found = policy.profiles().find(|profile| profile.name == *name);
    let profile = found.ok_or_else(|| Problem::not_found("no such audience profile"))?;
    Ok(Json(show(profile)))
}

fn view(authority: &Authority, profile: &AudienceProfile) -> AudienceView {
    let configured = authority.profiles().is_configured(&profile.name);
    AudienceView::of(profile, configured)
}
