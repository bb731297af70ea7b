//! What a provider gives a sandbox: a profile's endpoints port by port, and its tokens bound to them.

use std::collections::BTreeMap;

use moneyer_identity::ProviderName;
use moneyer_identity::grant::{Binding, EndpointRule, HostPattern, TokenGrant};

use super::profile::{Credential, Endpoint, GrantTemplate, Override, Profile};

/// The endpoints and bindings of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Expansion {
    pub(crate) endpoints: Vec<EndpointRule>,
    pub(crate) bindings: Vec<Binding>,
}

/// Each endpoint with each of its ports; for each of them and each credential that is obtained one binding, and one
/// more for each override that is about it. Where an override says of the same requests what the grant says itself,
/// the override counts.
pub(crate) fn expand(provider: &ProviderName, profile: &Profile) -> Expansion {
    let mut expansion = Expansion::default();
    let mut bindings = BTreeMap::new();
    for endpoint in &profile.endpoints {
        for rule in rules(provider, endpoint) {
            for (credential, grant) in granted(profile) {
                let bound = bound(&rule, (provider, credential), grant);
                bindings.extend(bound.into_iter().map(|(_, binding)| (binding.key(), binding)));
            }
            expansion.endpoints.push(rule);
        }
    }
    expansion.bindings = bindings.into_values().collect();
    expansion
}

fn rules(provider: &ProviderName, endpoint: &Endpoint) -> impl Iterator<Item = EndpointRule> {
    let of = move |port: &u16| EndpointRule {
        provider: provider.clone(),
        port: *port,
        ..endpoint.rule.clone()
    };
    endpoint.ports.iter().map(of)
}

fn granted(profile: &Profile) -> impl Iterator<Item = (&Credential, &GrantTemplate)> {
    let grant = |credential: &'_ Credential| credential.grant.is_some();
    let granted = profile.credentials.iter().filter(move |credential| grant(credential));
    granted.filter_map(|credential| Some((credential, credential.grant.as_ref()?)))
}

/// The bindings of a grant at an endpoint, each with the number of the override that it is by.
pub(super) fn bound(
    rule: &EndpointRule,
    (provider, credential): (&ProviderName, &Credential),
    grant: &GrantTemplate,
) -> Vec<(Option<usize>, Binding)> {
    let plain = TokenGrant {
        provider: provider.clone(),
        credential: credential.name.clone(),
        endpoint: grant.endpoint.clone(),
        kind: grant.kind,
        audience: grant.audience.clone(),
        scopes: grant.scopes.clone(),
        svid_audience: grant.svid_audience.clone(),
        assertion_type: grant.assertion_type.clone(),
        cache_ttl: grant.cache_ttl,
        requested_token_type: grant.requested_token_type.clone(),
        placement: grant.placement.clone(),
    };
    let (host, port, path) = (rule.host.clone(), rule.port, rule.path.clone());
    let mut bound = vec![(None, Binding { host, port, path, grant: plain.clone() })];
    for (number, overriding) in grant.overrides.iter().enumerate() {
        let Some(host) = host_of(overriding, rule) else { continue };
        let mut grant = plain.clone();
        if overriding.audience.is_some() {
            grant.audience.clone_from(&overriding.audience);
        }
        if !overriding.scopes.is_empty() {
            grant.scopes.clone_from(&overriding.scopes);
        }
        let path = overriding.path.clone().unwrap_or_else(|| rule.path.clone());
        bound.push((Some(number), Binding { host, port: rule.port, path, grant }));
    }
    bound
}

/// The hosts that an override is about at an endpoint: of the two patterns the narrower one. None where it is about
/// other hosts or another port.
fn host_of(overriding: &Override, rule: &EndpointRule) -> Option<HostPattern> {
    if overriding.port != 0 && overriding.port != rule.port {
        return None;
    }
    let Some(host) = &overriding.host else { return Some(rule.host.clone()) };
    if !host.meets(&rule.host) {
        return None;
    }
    Some(if host.matches(rule.host.as_str()) { rule.host.clone() } else { host.clone() })
}
