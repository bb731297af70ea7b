//! What a sandbox may reach, as the coordinator tells it.
//!
//! Read as a whole or not at all: what is not understood might have been a denial, so it grants nothing.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::grant::{
    Binding, EndpointRule, GrantKind, HeaderPlacement, PathPattern, QueryRule, RequestRule,
    SandboxGrants, TokenEndpoint, TokenGrant, TokenHeader,
};
use moneyer_proto::v1;

/// A field that is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub(crate) struct Misunderstood {
    field: &'static str,
    why: String,
}

/// The grants that come with a message, by their revision.
#[derive(Debug, Default)]
pub(super) struct Shared(HashMap<String, Arc<SandboxGrants>>);

impl Shared {
    /// Reads them. Those that are not understood are left out, and said so.
    pub(super) fn of(told: &[v1::SandboxGrants]) -> Self {
        let read = |told: &v1::SandboxGrants| Some((told.revision.clone(), understood(told)?));
        Self(told.iter().filter_map(read).collect())
    }

    /// The grants of a sandbox.
    pub(super) fn grants_of(&self, told: Option<&v1::SandboxGrants>) -> Arc<SandboxGrants> {
        let Some(told) = told else { return Arc::default() };
        if told.endpoints.is_empty() && told.bindings.is_empty() {
            return self.0.get(&told.revision).cloned().unwrap_or_default();
        }
        understood(told).unwrap_or_default()
    }
}

fn understood(told: &v1::SandboxGrants) -> Option<Arc<SandboxGrants>> {
    match read(told) {
        Ok(grants) => Some(Arc::new(grants)),
        Err(error) => {
            tracing::error!(
                grants.revision = told.revision,
                error.cause = crate::chain(&error),
                "what sandboxes may reach is not understood, so they reach nothing; update this proxy"
            );
            None
        }
    }
}

fn read(told: &v1::SandboxGrants) -> Result<SandboxGrants, Misunderstood> {
    Ok(SandboxGrants {
        revision: told.revision.clone(),
        endpoints: told.endpoints.iter().map(endpoint).collect::<Result<_, _>>()?,
        bindings: told.bindings.iter().map(binding).collect::<Result<_, _>>()?,
    })
}

fn endpoint(rule: &v1::EndpointRule) -> Result<EndpointRule, Misunderstood> {
    Ok(EndpointRule {
        provider: parse("provider", &rule.provider)?,
        host: parse("host", &rule.host)?,
        port: port(rule.port)?,
        path: parse("path", &rule.path)?,
        protocol: parse("protocol", &rule.protocol)?,
        access: optional("access", &rule.access)?,
        allow: rule.allow.iter().map(request).collect::<Result<_, _>>()?,
        deny: rule.deny.iter().map(request).collect::<Result<_, _>>()?,
        enforcement: parse("enforcement", &rule.enforcement)?,
        tls: parse("tls", &rule.tls)?,
        allowed_ips: all("allowed_ips", &rule.allowed_ips)?,
        allow_uninspected: rule.allow_uninspected,
        redact_echo: rule.redact_echo,
    })
}

fn request(rule: &v1::RequestRule) -> Result<RequestRule, Misunderstood> {
    let query =
        |rule: &v1::QueryRule| QueryRule { name: rule.name.clone(), values: rule.values.clone() };
    Ok(RequestRule {
        method: optional("method", &rule.method)?,
        path: parse::<PathPattern>("path", &rule.path)?,
        query: rule.query.iter().map(query).collect(),
    })
}

fn binding(binding: &v1::GrantBinding) -> Result<Binding, Misunderstood> {
    let missing = || Misunderstood { field: "grant", why: "is missing".to_owned() };
    Ok(Binding {
        host: parse("host", &binding.host)?,
        port: port(binding.port)?,
        path: parse("path", &binding.path)?,
        grant: grant(binding.grant.as_ref().ok_or_else(missing)?)?,
    })
}

fn grant(grant: &v1::TokenGrant) -> Result<TokenGrant, Misunderstood> {
    let header: TokenHeader = parse("header", &grant.header)?;
    let kind = parse("grant_type", &grant.grant_type)?;
    let ttl = Some(grant.cache_ttl_seconds).filter(|seconds| *seconds > 0);
    Ok(TokenGrant {
        provider: parse("provider", &grant.provider)?,
        credential: parse("credential", &grant.credential)?,
        endpoint: token_endpoint(kind, &grant.token_endpoint)?,
        kind,
        audience: optional("audience", &grant.audience)?,
        scopes: all("scopes", &grant.scopes)?,
        svid_audience: parse("jwt_svid_audience", &grant.jwt_svid_audience)?,
        assertion_type: parse("client_assertion_type", &grant.client_assertion_type)?,
        cache_ttl: ttl.map(Duration::from_secs),
        requested_token_type: parse("requested_token_type", &grant.requested_token_type)?,
        placement: if grant.bearer {
            HeaderPlacement::Bearer(header)
        } else {
            HeaderPlacement::Header(header)
        },
    })
}

/// Where there is one the token is asked for there; where the JWT-SVID is the token there is none.
fn token_endpoint(kind: GrantKind, text: &str) -> Result<Option<TokenEndpoint>, Misunderstood> {
    let endpoint = optional("token_endpoint", text)?;
    let wrong = |why: &str| Misunderstood { field: "token_endpoint", why: why.to_owned() };
    match (kind, &endpoint) {
        (GrantKind::JwtSvid, Some(_)) => Err(wrong("does not go with jwt_svid")),
        (GrantKind::ClientCredentials | GrantKind::TokenExchange, None) => Err(wrong("is missing")),
        _ => Ok(endpoint),
    }
}

fn port(port: u32) -> Result<u16, Misunderstood> {
    let port = u16::try_from(port).ok().filter(|port| *port != 0);
    port.ok_or_else(|| Misunderstood { field: "port", why: "is no port".to_owned() })
}

fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, Misunderstood> {
    text.parse().map_err(|error: T::Err| Misunderstood { field, why: error.to_string() })
}

fn optional<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, Misunderstood> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

fn all<T: FromStr<Err: Display>>(
    field: &'static str,
    texts: &[String],
) -> Result<Vec<T>, Misunderstood> {
    texts.iter().map(|text| parse(field, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> v1::SandboxGrants {
        let rule = v1::RequestRule {
            method: "DELETE".to_owned(),
            path: "/v1/**".to_owned(),
            query: vec![v1::QueryRule { name: "force".to_owned(), values: vec!["*".to_owned()] }],
        };
        let endpoint = v1::EndpointRule {
            provider: "demo".to_owned(),
            host: "*.example".to_owned(),
            port: 443,
            path: String::new(),
            protocol: "rest".to_owned(),
            access: "full".to_owned(),
            allow: Vec::new(),
            deny: vec![rule],
            enforcement: "enforce".to_owned(),
            tls: "terminate".to_owned(),
            allowed_ips: vec!["10.0.0.0/8".to_owned()],
            allow_uninspected: false,
            redact_echo: true,
        };
        let grant = v1::TokenGrant {
            provider: "demo".to_owned(),
            credential: "token".to_owned(),
            token_endpoint: "https://idp.example/token".to_owned(),
            grant_type: "client_credentials".to_owned(),
            audience: "alpha".to_owned(),
            scopes: vec!["alpha".to_owned()],
            jwt_svid_audience: "https://idp.example".to_owned(),
            client_assertion_type: "a:b".to_owned(),
            cache_ttl_seconds: 60,
            requested_token_type: "a:c".to_owned(),
            header: "authorization".to_owned(),
            bearer: true,
        };
        let (host, path) = ("a.example".to_owned(), "/v1/**".to_owned());
        let binding = v1::GrantBinding { host, port: 443, path, grant: Some(grant) };
        v1::SandboxGrants {
            revision: "7".to_owned(),
            endpoints: vec![endpoint],
            bindings: vec![binding],
        }
    }

    #[test]
    fn grants_come_with_the_sandbox_or_once_with_the_message() {
        let whole = read(&told()).unwrap();
        assert_eq!(whole.bindings[0].grant.cache_ttl, Some(Duration::from_secs(60)));
        assert_eq!(whole.endpoints[0].deny.len(), 1);
        assert!(whole.endpoints[0].redact_echo);
        let shared = Shared::of(&[told()]);
        let alone = v1::SandboxGrants { revision: "7".to_owned(), ..Default::default() };
        assert_eq!(*shared.grants_of(Some(&alone)), whole);
        assert_eq!(*Shared::default().grants_of(Some(&told())), whole);
        let unknown = v1::SandboxGrants { revision: "8".to_owned(), ..Default::default() };
        assert!(shared.grants_of(Some(&unknown)).is_empty());
        assert!(shared.grants_of(None).is_empty());
    }

    #[test]
    fn a_jwt_svid_is_obtained_nowhere() {
        let mut told = told();
        let grant = told.bindings[0].grant.as_mut().unwrap();
        "jwt_svid".clone_into(&mut grant.grant_type);
        (grant.token_endpoint, grant.bearer) = (String::new(), false);
        let read = read(&told).unwrap();
        let grant = &read.bindings[0].grant;
        assert_eq!((grant.kind, &grant.endpoint), (GrantKind::JwtSvid, &None));
        assert!(matches!(grant.placement, HeaderPlacement::Header(_)));
    }

    #[test]
    fn what_is_not_understood_grants_nothing_at_all() {
        let broken: [fn(&mut v1::SandboxGrants); 11] = [
            |told| told.bindings[0].grant.as_mut().unwrap().token_endpoint = String::new(),
            |told| told.bindings[0].grant.as_mut().unwrap().grant_type = "jwt_svid".to_owned(),
            |told| told.endpoints[0].host = "a..b".to_owned(),
            |told| told.endpoints[0].port = 0,
            |told| told.endpoints[0].protocol = "new".to_owned(),
            |told| told.endpoints[0].enforcement = String::new(),
            |told| told.endpoints[0].deny[0].method = "delete".to_owned(),
            |told| told.bindings[0].port = 65_536,
            |told| told.bindings[0].grant = None,
            |told| told.bindings[0].grant.as_mut().unwrap().grant_type = "password".to_owned(),
            |told| told.bindings[0].grant.as_mut().unwrap().header = "host".to_owned(),
        ];
        for (number, damage) in broken.into_iter().enumerate() {
            let mut told = told();
            damage(&mut told);
            assert!(read(&told).is_err(), "{number}");
            assert!(Shared::of(&[told.clone()]).0.is_empty());
            assert!(Shared::default().grants_of(Some(&told)).is_empty());
        }
    }
}
