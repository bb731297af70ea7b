//! What sandboxes may reach, as it is told to their runners.

use std::collections::BTreeMap;

use moneyer_identity::grant::{
    AddressRange, Binding, EndpointRule, GrantScope, HeaderPlacement, Method, QueryRule,
    RequestRule, SandboxGrants, TokenGrant,
};
use moneyer_proto::v1;

/// The grants of one sandbox; none where there are none.
pub(super) fn told(grants: &SandboxGrants) -> Option<v1::SandboxGrants> {
    (!grants.is_empty()).then(|| v1::SandboxGrants {
        revision: grants.revision.clone(),
        endpoints: grants.endpoints.iter().map(endpoint).collect(),
        bindings: grants.bindings.iter().map(binding).collect(),
    })
}

/// The grants of all sandboxes of a message, each revision once. The sandboxes keep the revision alone.
pub(super) fn share(sandboxes: &mut [v1::PlacedSandbox]) -> Vec<v1::SandboxGrants> {
    let mut shared = BTreeMap::new();
    for grants in sandboxes.iter_mut().filter_map(|sandbox| sandbox.grants.as_mut()) {
        let revision = grants.revision.clone();
        let alone = v1::SandboxGrants { revision: revision.clone(), ..Default::default() };
        let whole = std::mem::replace(grants, alone);
        shared.entry(revision).or_insert(whole);
    }
    shared.into_values().collect()
}

fn endpoint(rule: &EndpointRule) -> v1::EndpointRule {
    v1::EndpointRule {
        provider: rule.provider.to_string(),
        host: rule.host.to_string(),
        port: rule.port.into(),
        path: rule.path.to_string(),
        protocol: rule.protocol.as_str().to_owned(),
        access: rule.access.map(|access| access.as_str().to_owned()).unwrap_or_default(),
        allow: rule.allow.iter().map(request).collect(),
        deny: rule.deny.iter().map(request).collect(),
        enforcement: rule.enforcement.as_str().to_owned(),
        tls: rule.tls.as_str().to_owned(),
        allowed_ips: rule.allowed_ips.iter().map(AddressRange::to_string).collect(),
        allow_uninspected: rule.allow_uninspected,
        redact_echo: rule.redact_echo,
    }
}

fn request(rule: &RequestRule) -> v1::RequestRule {
    let query = |QueryRule { name, values }: &QueryRule| v1::QueryRule {
        name: name.clone(),
        values: values.clone(),
    };
    v1::RequestRule {
        method: rule.method.as_ref().map(Method::to_string).unwrap_or_default(),
        path: rule.path.to_string(),
        query: rule.query.iter().map(query).collect(),
    }
}

fn binding(binding: &Binding) -> v1::GrantBinding {
    v1::GrantBinding {
        host: binding.host.to_string(),
        port: binding.port.into(),
        path: binding.path.to_string(),
        grant: Some(grant(&binding.grant)),
    }
}

fn grant(grant: &TokenGrant) -> v1::TokenGrant {
    v1::TokenGrant {
        provider: grant.provider.to_string(),
        credential: grant.credential.to_string(),
        token_endpoint: grant.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
        grant_type: grant.kind.as_str().to_owned(),
        audience: grant.audience.as_ref().map(ToString::to_string).unwrap_or_default(),
        scopes: grant.scopes.iter().map(GrantScope::to_string).collect(),
        jwt_svid_audience: grant.svid_audience.to_string(),
        client_assertion_type: grant.assertion_type.to_string(),
        cache_ttl_seconds: grant.cache_ttl.map_or(0, |ttl| ttl.as_secs()),
        requested_token_type: grant.requested_token_type.to_string(),
        header: grant.placement.header().to_string(),
        bearer: matches!(grant.placement, HeaderPlacement::Bearer(_)),
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::grant::{AssertionType, GrantKind, TokenHeader, TokenType};
    use moneyer_identity::{Audience, CredentialName, ProviderName};

    use super::*;

    #[test]
    fn a_jwt_svid_is_told_without_a_token_endpoint_and_with_its_header() {
        let told = grant(&TokenGrant {
            provider: ProviderName::parse("demo").unwrap(),
            credential: CredentialName::parse("svid").unwrap(),
            endpoint: None,
            kind: GrantKind::JwtSvid,
            audience: None,
            scopes: Vec::new(),
            svid_audience: Audience::parse("alpha").unwrap(),
            assertion_type: AssertionType::default(),
            cache_ttl: None,
            requested_token_type: TokenType::default(),
            placement: HeaderPlacement::Header(TokenHeader::parse("X-Svid").unwrap()),
        });
        assert_eq!((told.grant_type.as_str(), told.token_endpoint.as_str()), ("jwt_svid", ""));
        assert_eq!((told.header.as_str(), told.bearer), ("x-svid", false));
        assert_eq!(told.jwt_svid_audience, "alpha");
    }
}
