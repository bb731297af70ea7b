//! Whether a request comes from where the server is meant to be reached.
//!
//! A service inside a sandbox can be tricked into sending a request of an attacker's choosing
//! (server-side request forgery), and a browser or a rebound DNS name can be led to a loopback
//! port. Neither can keep its own marks off: a proxy adds `Forwarded` or `X-Forwarded-*`, and a
//! rebound name stands in `Host`. Cloud metadata servers refuse the same.

use http::header::{FORWARDED, HOST};
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// The host names under which the server is asked: loopback, its own address and configured ones.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts(Vec<String>);

/// Why a request is refused for where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OriginError {
    /// It passed a proxy.
    #[error("forwarded requests are refused")]
    Forwarded,
    /// `Host` is missing, doubled or not one of ours.
    #[error(
        "the Host header names another server; use localhost, or list the name in token_server.hosts"
    )]
    ForeignHost,
}

impl AllowedHosts {
    /// Loopback names and these.
    pub(crate) fn with(more: impl IntoIterator<Item = String>) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let mut hosts = Vec::from(loopback);
        hosts.extend(more.into_iter().map(|host| host.to_ascii_lowercase()));
        Self(hosts)
    }

    /// Refuses a request that does not come straight to this server.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), OriginError> {
        let forwarded = |name: &http::HeaderName| {
            name == FORWARDED || name.as_str().starts_with("x-forwarded-")
        };
        if headers.keys().any(forwarded) {
            return Err(OriginError::Forwarded);
        }
        // HTTP/2 names the host in the target's authority, HTTP/1.1 in a header; where there are
        // both, both count.
        let mut hosts = headers.get_all(HOST).iter();
        let header = hosts.next().map(http::HeaderValue::to_str);
        let named = match (uri.authority(), header, hosts.next()) {
            (Some(authority), None, None) => [Some(authority.as_str()), None],
            (Some(authority), Some(Ok(host)), None) => [Some(authority.as_str()), Some(host)],
            (None, Some(Ok(host)), None) => [Some(host), None],
            _ => return Err(OriginError::ForeignHost),
        };
        if named.into_iter().flatten().all(|name| self.allows(name)) {
            Ok(())
        } else {
            Err(OriginError::ForeignHost)
        }
    }

    fn allows(&self, authority: &str) -> bool {
        if authority.contains('@') {
            return false;
        }
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let host = authority.host().to_ascii_lowercase();
        self.0.contains(&host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<(), OriginError> {
        let hosts = AllowedHosts::with(["Moneyer.Internal".to_owned(), "10.0.0.1".to_owned()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        hosts.check(&uri.parse().unwrap(), &map)
    }

    #[test]
    fn own_names_with_any_port() {
        for host in [
            "localhost",
            "localhost:1",
            "LOCALHOST",
            "127.0.0.1",
            "127.0.0.1:8484",
            "[::1]",
            "[::1]:8484",
            "moneyer.internal",
            "MONEYER.internal:80",
            "10.0.0.1",
        ] {
            assert_eq!(check("/v1/token", &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check("http://localhost/v1/token", &[]), Ok(()));
    }

    #[test]
    fn foreign_names_and_tricks() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:8484",
            "localhost@evil.example",
            "evil.example@localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "localhost.",
            "169.254.169.254",
            "[::1",
            "localhost,evil",
            "localhost:80:80",
            "::1",
        ] {
            let refused = check("/v1/token", &[("host", host)]);
            assert_eq!(refused, Err(OriginError::ForeignHost), "{host}");
        }
        assert_eq!(check("/v1/token", &[]), Err(OriginError::ForeignHost));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(check("/v1/token", &twice), Err(OriginError::ForeignHost));
        let split = check("http://evil.example/v1/token", &[("host", "localhost")]);
        assert_eq!(split, Err(OriginError::ForeignHost));
    }

    #[test]
    fn whatever_passed_a_proxy() {
        for name in ["X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Anything", "Forwarded"] {
            let refused = check("/v1/token", &[("host", "localhost"), (name, "1")]);
            assert_eq!(refused, Err(OriginError::Forwarded), "{name}");
        }
    }
}
