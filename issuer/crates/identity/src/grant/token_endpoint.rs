//! Where tokens are asked for.
//!
//! An assertion, and at an exchange a user's token, is sent there, so the address is https; plain http is taken only
//! where the name cannot leave the machine or the cluster: `localhost`, loopback addresses, and Kubernetes
//! services as `service.namespace.svc` or `service.namespace.svc.cluster.local`. `service.namespace` alone, and
//! `….svc.example.com`, are names that anybody's resolver may answer.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::audience::{Audience, MAXIMUM_AUDIENCE_BYTES};
use crate::issuer_url::{is_host_name, is_loopback};
use crate::text_value::text_value;

/// Why a text is no token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenEndpointError {
    /// Longer than 512 bytes: it has to fit the audience of an assertion.
    #[error("is longer than {MAXIMUM_AUDIENCE_BYTES} bytes")]
    TooLong,
    /// Neither https nor http, or no absolute URL.
    #[error("must be an absolute URL that begins with https:// (or http:// inside the cluster)")]
    Scheme,
    /// http to a host that may be elsewhere.
    #[error(
        "may be http:// only for localhost, a loopback address, service.namespace.svc or \
         service.namespace.svc.cluster.local; use https://"
    )]
    Transport,
    /// No host name or address, or with user info.
    #[error("must have a lower-case host name or an IP address, without user info")]
    Host,
    /// Not a port from 1 to 65535 without leading zeros.
    #[error("must have a port from 1 to 65535, or none")]
    Port,
    /// A fragment, a blank, or anything else a URL of a token endpoint has no use for.
    #[error("may hold letters, digits and the usual marks of a path and a query, and no '..'")]
    Path,
}

/// A token endpoint that passed the transport rule. Compared by exact bytes.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TokenEndpoint(Arc<str>);

impl TokenEndpoint {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, TokenEndpointError> {
        if text.len() > MAXIMUM_AUDIENCE_BYTES {
            return Err(TokenEndpointError::TooLong);
        }
        let (rest, secure) = match text.split_once("://") {
            Some(("https", rest)) => (rest, true),
            Some(("http", rest)) => (rest, false),
            _ => return Err(TokenEndpointError::Scheme),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        check_path(rest.get(authority.len()..).unwrap_or_default())?;
        let host = check_authority(authority)?;
        if !secure && !stays_near(host) {
            return Err(TokenEndpointError::Transport);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an audience names the server of this endpoint: it is a URL of the same scheme, host and port.
    #[must_use]
    pub fn is_server_of(&self, audience: &Audience) -> bool {
        let begins = self.0.find("://").map_or(0, |at| at + "://".len());
        let after = self.0.get(begins..).unwrap_or_default();
        let authority = after.split(['/', '?']).next().unwrap_or_default();
        let origin = self.0.get(..begins + authority.len()).unwrap_or_default();
        let rest = audience.as_str().strip_prefix(origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The audience of an assertion for it, where the grant names none: up to the realm, where it has one in
    /// Keycloak's form (`…/realms/NAME/…`), else all of it.
    #[must_use]
    pub fn default_svid_audience(&self) -> Audience {
        let realm = self.0.split_once("/realms/").and_then(|(before, rest)| {
            let (name, _) = rest.split_once('/')?;
            let end = before.len() + "/realms/".len() + name.len();
            if name.is_empty() { None } else { self.0.get(..end) }
        });
        Audience::of_url(realm.unwrap_or(&self.0))
    }
}

fn check_path(path: &str) -> Result<(), TokenEndpointError> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/?".contains(&byte);
    let dots = |segment: &str| matches!(segment, "." | "..");
    if path.bytes().all(usual) && !path.split(['/', '?']).any(dots) {
        Ok(())
    } else {
        Err(TokenEndpointError::Path)
    }
}

fn check_authority(authority: &str) -> Result<&str, TokenEndpointError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(TokenEndpointError::Host)?;
        inside.parse::<Ipv6Addr>().map_err(|_no_address| TokenEndpointError::Host)?;
        match (after, after.strip_prefix(':')) {
            ("", _) => (inside, None),
            (_, Some(port)) => (inside, Some(port)),
            _ => return Err(TokenEndpointError::Host),
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if !is_host_name(host.strip_suffix('.').unwrap_or(host)) {
            return Err(TokenEndpointError::Host);
        }
        (host, port)
    };
    if let Some(port) = port {
        let number = port.parse::<u16>().unwrap_or(0);
        if number == 0 || port != number.to_string() {
            return Err(TokenEndpointError::Port);
        }
    }
    Ok(host)
}

fn stays_near(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mapped = host.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback());
    let labels: Vec<_> = host.split('.').collect();
    let service = matches!(labels.as_slice(), [_, _, "svc"] | [_, _, "svc", "cluster", "local"]);
    is_loopback(host) || mapped || service
}

text_value!(TokenEndpoint, TokenEndpointError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TokenEndpointError::{Host, Path, Port, Scheme, Transport};
    use super::*;

    #[test]
    fn https_goes_anywhere_and_http_only_where_it_cannot_leave() {
        for good in [
            "https://idp.example.com/token",
            "https://idp.example.com",
            "https://idp.example.com:8443/realms/demo/protocol/openid-connect/token?tenant=1",
            "https://10.1.2.3/token",
            "http://localhost/token",
            "http://localhost:8080/token",
            "http://127.0.0.1/token",
            "http://127.8.9.10:1/token",
            "http://[::1]:8080/token",
            "http://[::ffff:127.0.0.1]/token",
            "http://token-issuer.default.svc/token",
            "http://token-issuer.default.svc.cluster.local/token",
            "http://token-issuer.default.svc.cluster.local.:8080/token",
        ] {
            assert_eq!(TokenEndpoint::parse(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("http://idp.example.com/token", Transport),
            ("http://token-issuer/token", Transport),
            ("http://token-issuer.default/token", Transport),
            ("http://svc/token", Transport),
            ("http://default.svc/token", Transport),
            ("http://a.b.svc.evil.com/token", Transport),
            ("http://a.b.svc.cluster.local.evil.com/token", Transport),
            ("http://a.b.c.svc/token", Transport),
            ("http://a.b.svc.cluster/token", Transport),
            ("http://localhost.evil.com/token", Transport),
            ("http://128.0.0.1/token", Transport),
            ("http://[::2]/token", Transport),
            ("http://[::ffff:10.0.0.1]/token", Transport),
            ("http://127.1/token", Host),
            ("http://2130706433/token", Host),
            ("http://0x7f000001/token", Host),
            ("http://localhost@evil.com/token", Host),
            ("http://localhost:80@evil.com/token", Port),
            ("http:///token", Host),
            ("https://", Host),
            ("https://.svc/", Host),
            ("https://idp.example.com..", Host),
            ("https://IDP.example.com/token", Host),
            ("https://idp.example.com:0/", Port),
            ("https://idp.example.com:080/", Port),
            ("https://idp.example.com:99999/", Port),
            ("ftp://localhost/token", Scheme),
            ("HTTPS://idp.example.com", Scheme),
            ("/token", Scheme),
            ("", Scheme),
            ("https://idp.example.com/#x", Path),
            ("https://idp.example.com/a b", Path),
            ("https://idp.example.com/a/../b", Path),
            ("https://idp.example.com\\@evil.com/", Host),
            ("https://idp.example.com/\r\nX: y", Path),
        ] {
            assert_eq!(TokenEndpoint::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn it_is_as_long_as_an_audience_and_not_one_byte_more() {
        let longest = format!("https://a.example/{}", "x".repeat(MAXIMUM_AUDIENCE_BYTES - 18));
        assert_eq!(longest.len(), MAXIMUM_AUDIENCE_BYTES);
        assert_eq!(
            TokenEndpoint::parse(&longest).unwrap().default_svid_audience().as_str(),
            longest
        );
        let longer = format!("{longest}x");
        assert_eq!(TokenEndpoint::parse(&longer), Err(TokenEndpointError::TooLong));
    }

    #[test]
    fn the_audience_ends_with_the_realm_or_is_all_of_it() {
        for (endpoint, audience) in [
            (
                "https://kc.example/realms/demo/protocol/openid-connect/token",
                "https://kc.example/realms/demo",
            ),
            ("https://kc.example/auth/realms/a/realms/b/token", "https://kc.example/auth/realms/a"),
            ("https://kc.example/realms/demo", "https://kc.example/realms/demo"),
            ("https://kc.example/realms//token", "https://kc.example/realms//token"),
            ("http://token-issuer.default.svc/token", "http://token-issuer.default.svc/token"),
        ] {
            let audience_of = TokenEndpoint::parse(endpoint).unwrap().default_svid_audience();
            assert_eq!(audience_of.as_str(), audience, "{endpoint}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_it_stands_or_refused(text in "https?://[a-z0-9.:@\\[\\]/?#%-]{0,40}") {
            if let Ok(endpoint) = TokenEndpoint::parse(&text) {
                prop_assert_eq!(endpoint.as_str(), text.as_str());
                prop_assert!(!text.contains('#'));
                let authority = text.split("://").nth(1).unwrap().split(['/', '?']).next().unwrap();
                prop_assert!(!authority.contains('@'));
                prop_assert!(text.starts_with(endpoint.default_svid_audience().as_str()));
            }
        }
    }
}
