//! What happens to a request of a sandbox: pure, and decided before any token is thought of.
//!
//! Of the endpoints whose host, port and path are those of the request the one that says most decides (token
//! selection goes the same way, header by header); a denial of any of them stands. What no endpoint names is
//! refused, whatever [`Enforcement`] says: auditing is for the methods of endpoints that are named.

use std::collections::BTreeMap;

use super::address_range::AddressRange;
use super::host::Destination;
use super::method::{Method, MethodError};
use super::rule::EndpointRule;
use super::sandbox_grants::{Binding, SandboxGrants};
use super::target::{RequestTarget, TargetError};
use super::words::Enforcement;

/// Why a request, or a connection, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// No endpoint has this host and port.
    #[error("no provider of this sandbox names this host and port")]
    NotNamed,
    /// An endpoint has this host and port but not this path.
    #[error("no provider of this sandbox names this path")]
    PathNotNamed,
    /// The method is none that passes.
    #[error("the request is refused")]
    Method(#[source] MethodError),
    /// The target has no single meaning.
    #[error("the request is refused")]
    Target(#[source] TargetError),
    /// A rule denies it.
    #[error("a rule of the endpoint denies this request")]
    Denied,
    /// No rule permits it.
    #[error("no rule of the endpoint permits this method and path")]
    NotPermitted,
    /// Requests there cannot be looked at, so none is relayed one by one.
    #[error("the endpoint takes connections, not requests")]
    Uninspected,
}

impl GrantRefusal {
    /// A word for it, of which there are few.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotNamed => "not_named",
            Self::PathNotNamed => "path_not_named",
            Self::Method(_) => "method",
            Self::Target(_) => "target",
            Self::Denied => "denied",
            Self::NotPermitted => "not_permitted",
            Self::Uninspected => "uninspected",
        }
    }
}

/// What happens to a connection that a sandbox asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Its requests are looked at one by one.
    Intercept,
    /// Its bytes pass as they are.
    Tunnel,
    /// It is refused.
    Refused(GrantRefusal),
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'g> {
    /// It may go on, as this says.
    Permitted(PermittedRequest<'g>),
    /// It may not.
    Refused(GrantRefusal),
}

/// A request that may go to its upstream, made by [`SandboxGrants::decide`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedRequest<'g> {
    destination: Destination,
    method: Method,
    target: RequestTarget,
    endpoint: &'g EndpointRule,
    bindings: Vec<&'g Binding>,
    lenders: Vec<&'g EndpointRule>,
    audited: Option<GrantRefusal>,
}

impl<'g> PermittedRequest<'g> {
    /// Where it goes.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// What is sent to the upstream as its target, and nothing else.
    #[must_use]
    pub fn target(&self) -> &RequestTarget {
        &self.target
    }

    /// The endpoint that permits it.
    #[must_use]
    pub fn endpoint(&self) -> &'g EndpointRule {
        self.endpoint
    }

    /// Every endpoint that has a say in where it may go: the one that permits it, and of each token one of the token's own
    /// provider that lets it pass.
    pub fn rules(&self) -> impl Iterator<Item = &'g EndpointRule> {
        std::iter::once(self.endpoint).chain(self.lenders.iter().copied())
    }

    /// The tokens it gets, each in a header of its own, in the order of the headers' names.
    #[must_use]
    pub fn bindings(&self) -> &[&'g Binding] {
        &self.bindings
    }

    /// Whether its tokens are taken out of the answer: any endpoint that has a say may ask for it.
    #[must_use]
    pub fn is_echo_redacted(&self) -> bool {
        self.rules().any(|rule| rule.redact_echo)
    }

    /// Why it would have been refused, had the endpoint not said to write it down only.
    #[must_use]
    pub fn audited(&self) -> Option<GrantRefusal> {
        self.audited
    }
}

impl SandboxGrants {
    /// What happens to a connection to a destination. Where any endpoint of it is looked into, all of it is.
    #[must_use]
    pub fn destination(&self, destination: &Destination) -> Passage {
        let mut named = self.endpoints.iter().filter(|rule| rule.reaches(destination)).peekable();
        if named.peek().is_none() {
            return Passage::Refused(GrantRefusal::NotNamed);
        }
        if named.any(EndpointRule::is_inspected) { Passage::Intercept } else { Passage::Tunnel }
    }

    /// In which private networks a destination may lie: what the endpoints of it say together.
    #[must_use]
    pub fn allowed_ips(&self, destination: &Destination) -> Vec<&AddressRange> {
        let named = self.endpoints.iter().filter(|rule| rule.reaches(destination));
        named.flat_map(|rule| &rule.allowed_ips).collect()
    }

    /// What happens to a request, by its method and its target in origin form.
    #[must_use]
    pub fn decide(&self, destination: &Destination, method: &str, target: &str) -> Decision<'_> {
        let permitted = self.permitted(destination, method, target);
        permitted.map_or_else(Decision::Refused, Decision::Permitted)
    }

    fn permitted(
        &self,
        destination: &Destination,
        method: &str,
        target: &str,
    ) -> Result<PermittedRequest<'_>, GrantRefusal> {
        let here: Vec<_> = self.endpoints.iter().filter(|rule| rule.reaches(destination)).collect();
        if here.is_empty() {
            return Err(GrantRefusal::NotNamed);
        }
        let method = Method::parse(method).map_err(GrantRefusal::Method)?;
        let target = RequestTarget::parse(target).map_err(GrantRefusal::Target)?;
        let named: Vec<_> =
            here.into_iter().filter(|rule| rule.path.matches(target.path())).collect();
        let most = named.iter().map(|rule| rule.score()).max().ok_or(GrantRefusal::PathNotNamed)?;
        let deciding: Vec<_> = named.iter().copied().filter(|rule| rule.score() == most).collect();
        let denied = named.iter().any(|rule| rule.denies(&method, &target));
        let permits = |rule: &&EndpointRule| rule.is_inspected() && rule.permits(&method, &target);
        let (endpoint, audited) = match deciding.iter().copied().find(permits) {
            Some(endpoint) if !denied => (endpoint, None),
            found => {
                let why = if denied { GrantRefusal::Denied } else { not_permitted(&deciding) };
                // Where several say as much, each has to say that it is written down only.
                let enforced = |rule: &&EndpointRule| rule.enforcement == Enforcement::Enforce;
                if why == GrantRefusal::Uninspected || named.iter().any(enforced) {
                    return Err(why);
                }
                let endpoint = found.or_else(|| deciding.first().copied()).ok_or(why)?;
                (endpoint, Some(why))
            }
        };
        let bindings = self.selected(destination, target.path());
        let lenders = bindings.iter().map(|binding| lender(binding, &named, &method, &target));
        let lenders = lenders.collect::<Option<_>>().ok_or(GrantRefusal::NotPermitted)?;
        let destination = destination.clone();
        Ok(PermittedRequest { destination, method, target, endpoint, bindings, lenders, audited })
    }

    /// Of the bindings that are for a request, in each header, the one that says most; of several the one with the
    /// greatest key, so that it is always the same one.
    fn selected(&self, destination: &Destination, path: &str) -> Vec<&Binding> {
        let mut selected: BTreeMap<String, &Binding> = BTreeMap::new();
        let is_meant = |binding: &&Binding| {
            binding.is_for(destination, path)
                && self.is_named_by_its_provider(binding, destination, path)
        };
        for binding in self.bindings.iter().filter(is_meant) {
            let rank = |binding: &Binding| (binding.score(), binding.key());
            let place = selected.entry(binding.grant.placement.header().alike()).or_insert(binding);
            if rank(binding) > rank(place) {
                *place = binding;
            }
        }
        selected.into_values().collect()
    }

    /// A token goes only where its own provider's endpoints are, whatever its selector reaches besides.
    fn is_named_by_its_provider(
        &self,
        binding: &Binding,
        destination: &Destination,
        path: &str,
    ) -> bool {
        let own = self.endpoints.iter().filter(|rule| rule.provider == binding.grant.provider);
        own.into_iter().any(|rule| rule.reaches(destination) && rule.path.matches(path))
    }
}

/// What another provider's endpoint permits is no permission for this one's token: of its own provider's endpoints for
/// the request the one that says most has to let it pass too.
fn lender<'g>(
    binding: &Binding,
    named: &[&'g EndpointRule],
    method: &Method,
    target: &RequestTarget,
) -> Option<&'g EndpointRule> {
    let own = named.iter().copied().filter(|rule| rule.provider == binding.grant.provider);
    let most = own.clone().map(EndpointRule::score).max()?;
    own.filter(|rule| rule.score() == most).find(|rule| {
        let passes = rule.permits(method, target) || rule.enforcement == Enforcement::Audit;
        rule.is_inspected() && passes
    })
}

fn not_permitted(deciding: &[&EndpointRule]) -> GrantRefusal {
    if deciding.iter().any(|rule| rule.is_inspected()) {
        GrantRefusal::NotPermitted
    } else {
        GrantRefusal::Uninspected
    }
}

#[cfg(test)]
#[path = "tests/decision.rs"]
mod tests;
