//! What an audience's relying party demands beside the claims of every token.
//!
//! A subject that the party would refuse is refused here, with the reason, and not there without one.
//! The claims that AWS reads are made of the records, as every other; a tag without a value is left out.

use std::sync::Arc;

use moneyer_identity::{
    AppName, AppUid, AwsClaims, ClaimSet, ClusterId, OrganizationId, RoleName, RunnerId, SandboxId,
    SessionTag, SessionTags, SourceIdentity,
};

use crate::audiences::{AudienceProfile, AwsExtras};
use crate::mint::error::MintError;

/// The claims as the relying parties of these profiles take them.
pub(super) fn meet(
    profiles: &[Arc<AudienceProfile>],
    mut claims: ClaimSet,
) -> Result<ClaimSet, MintError> {
    for profile in profiles {
        if let Some(misfit) = profile.misfit(claims.sub.as_str()) {
            return Err(MintError::Misfit(misfit));
        }
        if !profile.aws.is_empty() {
            claims.aws = aws(&profile.aws, &claims);
            let short = claims.aws.source_identity.as_deref();
            if let Some(misfit) = short.and_then(|text| profile.short_identity(text)) {
                return Err(MintError::Misfit(misfit));
            }
        }
    }
    Ok(claims)
}

fn aws(asked: &AwsExtras, claims: &ClaimSet) -> AwsClaims {
    let has_value = |tag: &SessionTag| value(*tag, claims).map(|value| (*tag, value));
    let principal: Vec<_> = asked.tags.iter().filter_map(has_value).collect();
    let is_there = |tag: &SessionTag| principal.iter().any(|(there, _)| there == tag);
    let transitive = asked.transitive_tags.iter().copied().filter(is_there).collect();
    let source_identity = asked.source_identity.and_then(|named| match named {
        SourceIdentity::App => value(SessionTag::App, claims),
        SourceIdentity::Sandbox => value(SessionTag::SandboxId, claims),
    });
    AwsClaims {
        roles: asked.roles.clone(),
        tags: (!principal.is_empty()).then_some(SessionTags { principal, transitive }),
        source_identity,
    }
}

fn value(tag: SessionTag, claims: &ClaimSet) -> Option<String> {
    let text = match tag {
        SessionTag::OrganizationId => claims.organization_id.as_ref().map(OrganizationId::as_str),
        SessionTag::ClusterId => claims.cluster_id.as_ref().map(ClusterId::as_str),
        SessionTag::App => claims.app.as_ref().map(AppName::as_str),
        SessionTag::AppUid => claims.app_uid.as_ref().map(AppUid::as_str),
        SessionTag::SandboxId => claims.sandbox_id.as_ref().map(SandboxId::as_str),
        SessionTag::RunnerId => claims.runner_id.as_ref().map(RunnerId::as_str),
        SessionTag::Role => claims.role.as_ref().map(RoleName::as_str),
    };
    text.map(str::to_owned)
}
