//! What a sandbox may reach, and with which requests.
//!
//! A rule names an endpoint (host, port and path) and says which methods, paths and queries pass. A denial
//! stands against every permission. What neither a preset nor a rule permits does not pass; with
//! [`Enforcement::Audit`] it does, and is written down.

use serde::{Deserialize, Serialize};

use super::address_range::AddressRange;
use super::host::{Destination, HostPattern};
use super::method::Method;
use super::path::PathPattern;
use super::target::RequestTarget;
use super::words::{Access, Enforcement, Protocol, TlsMode};
use crate::component::ProviderName;

/// Which values of a parameter of the query a rule is about: any text with `*` and `?` in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QueryRule {
    /// The parameter.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestRule {
    /// The method; none for any.
    pub method: Option<Method>,
    /// The path.
    pub path: PathPattern,
    /// What the query has to hold.
    #[serde(default)]
    pub query: Vec<QueryRule>,
}

/// How many values of a parameter must be among those of a rule.
#[derive(Clone, Copy)]
enum Needed {
    /// Each, and there is one: for a permission.
    All,
    /// One is enough: for a denial.
    Any,
}

impl RequestRule {
    fn is_about(&self, method: &Method, target: &RequestTarget, needed: Needed) -> bool {
        self.method.as_ref().is_none_or(|own| own == method)
            && self.path.matches(target.path())
            && self.query.iter().all(|rule| rule.is_about(target, needed))
    }
}

impl QueryRule {
    fn is_about(&self, target: &RequestTarget, needed: Needed) -> bool {
        let among = |value: String| self.values.iter().any(|wanted| resembles(wanted, &value));
        // Some servers take a query apart at it too, and then its parameters are others.
        if target.query().is_some_and(|query| query.contains(';')) {
            return matches!(needed, Needed::Any);
        }
        let mut values = target.values(&self.name).peekable();
        match needed {
            Needed::All => values.peek().is_some() && values.all(among),
            Needed::Any => values.any(among),
        }
    }
}

/// Whether a text is like a pattern with `*` for any characters and `?` for one.
fn resembles(pattern: &str, text: &str) -> bool {
    let pattern: Vec<_> = pattern.chars().collect();
    let mut states = vec![false; pattern.len() + 1];
    if let Some(first) = states.first_mut() {
        *first = true;
    }
    let skip = |states: &mut Vec<bool>| {
        let mut carried = false;
        let stars = pattern.iter().map(|c| *c == '*').chain([false]);
        for (state, star) in states.iter_mut().zip(stars) {
            *state |= carried;
            carried = *state && star;
        }
    };
    skip(&mut states);
    for c in text.chars() {
        let mut next = vec![false; states.len()];
        for (at, (wanted, active)) in pattern.iter().zip(&states).enumerate() {
            let to = if *wanted == '*' { at } else { at + 1 };
            if *active && (matches!(wanted, '*' | '?') || *wanted == c) {
                next.get_mut(to).into_iter().for_each(|state| *state = true);
            }
        }
        skip(&mut next);
        states = next;
    }
    states.last().copied().unwrap_or(false)
}

/// An endpoint that a sandbox may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EndpointRule {
    /// Whose endpoint it is.
    pub provider: ProviderName,
    /// Its host.
    pub host: HostPattern,
    /// Its port.
    pub port: u16,
    /// Its paths.
    pub path: PathPattern,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Which methods pass.
    pub access: Option<Access>,
    /// Which requests pass besides.
    pub allow: Vec<RequestRule>,
    /// Which requests do not pass, whatever permits them.
    pub deny: Vec<RequestRule>,
    /// What happens to those that do not.
    pub enforcement: Enforcement,
    /// What happens to TLS.
    pub tls: TlsMode,
    /// In which private networks the host may lie; none for hosts of the open network only.
    pub allowed_ips: Vec<AddressRange>,
    /// Whether it may go unlooked at, though there are tokens for it.
    pub allow_uninspected: bool,
    /// Whether the tokens of a request are taken out of its answer.
    #[serde(default)]
    pub redact_echo: bool,
}

impl EndpointRule {
    /// Whether requests to it can be looked at.
    #[must_use]
    pub fn is_inspected(&self) -> bool {
        self.protocol.is_http() && self.tls != TlsMode::Skip
    }

    /// Whether a destination is this endpoint's.
    #[must_use]
    pub fn reaches(&self, destination: &Destination) -> bool {
        self.port == destination.port() && self.host.reaches(destination)
    }

    pub(super) fn denies(&self, method: &Method, target: &RequestTarget) -> bool {
        self.deny.iter().any(|rule| rule.is_about(method, target, Needed::Any))
    }

    pub(super) fn permits(&self, method: &Method, target: &RequestTarget) -> bool {
        self.access.is_some_and(|access| access.permits(method))
            || self.allow.iter().any(|rule| rule.is_about(method, target, Needed::All))
    }

    pub(super) fn score(&self) -> i64 {
        self.host.score() + self.path.score()
    }
}

#[cfg(test)]
#[path = "tests/rule.rs"]
mod tests;
