//! The issuer's URL as somebody wrote it.
//!
//! It is only taken apart here, however wrong it is, so that the rules can say all that is wrong with it.
//! What is fetched is the nearest address that can be: https, a lower-case host, no slash at the end and
//! no query (OpenID Connect Discovery 1.0 section 4.1 appends the path of the document to the issuer
//! without its slash).

use std::fmt;
use std::net::IpAddr;

/// Why a text cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no address of an issuer; write it as https://id.example.com")]
pub struct AddressError(String);

/// An issuer's URL, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerAddress {
    text: String,
    scheme: String,
    authority: String,
    host: String,
    port: Option<String>,
    path: String,
    query: bool,
}

impl IssuerAddress {
    /// Takes a text apart that has a scheme of the web and a host.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let known = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).ok_or_else(wrong)?;
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, query) = rest.split_at_checked(end).ok_or_else(wrong)?;
        let (host, port) = host_and_port(authority);
        if !plain || !known || host.is_empty() || authority.contains('@') {
            return Err(wrong());
        }
        Ok(Self {
            text: text.to_owned(),
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            host: host.to_owned(),
            port: port.map(str::to_owned),
            path: path.to_owned(),
            query: !query.is_empty(),
        })
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host in lower case; IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
    }

    /// Whether it begins with `https://`, in whatever case.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("https")
    }

    /// The port, if one is written.
    #[must_use]
    pub fn port(&self) -> Option<&str> {
        self.port.as_deref()
    }

    /// Whether it ends with a slash.
    #[must_use]
    pub fn ends_with_slash(&self) -> bool {
        self.path.ends_with('/')
    }

    /// Whether it has a query or a fragment.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.query
    }

    /// The same with scheme and host in lower case, if that is another text.
    #[must_use]
    pub fn lower_case(&self) -> Option<String> {
        let lower = self.scheme.bytes().chain(self.host.bytes()).all(|b| !b.is_ascii_uppercase());
        let scheme = self.scheme.to_ascii_lowercase();
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.strip_prefix(&*self.authority).unwrap_or_default();
        (!lower).then(|| format!("{scheme}://{}{path}", self.authority.to_ascii_lowercase()))
    }

    /// Where a document under it is fetched.
    #[must_use]
    pub fn fetched_at(&self, path: &str) -> String {
        let plain = !self.is_https() && is_loopback(&self.host());
        let scheme = if plain { "http" } else { "https" };
        let (host, prefix) = (self.authority.to_ascii_lowercase(), self.path.trim_end_matches('/'));
        format!("{scheme}://{host}{prefix}{path}")
    }
}

impl fmt::Display for IssuerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The host of a URL in lower case, IPv6 without brackets.
pub(super) fn host_of(url: &str) -> Option<String> {
    IssuerAddress::parse(url).ok().map(|address| address.host())
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let after_host = authority.find(']').map_or(0, |end| end + 1);
    let colon = authority.get(after_host..).and_then(|rest| rest.find(':'));
    match colon.and_then(|at| authority.split_at_checked(after_host + at)) {
        Some((host, port)) => (host, Some(port.trim_start_matches(':'))),
        None => (authority, None),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> IssuerAddress {
        IssuerAddress::parse(text).unwrap()
    }

    #[test]
    fn whatever_is_written_is_taken_apart() {
        let address = parse("HTTPS://ID.example.com:8443/A/?q#f");
        assert_eq!((address.host().as_str(), address.port()), ("id.example.com", Some("8443")));
        assert!(address.is_https() && address.ends_with_slash() && address.has_query());
        let lower = address.lower_case().unwrap();
        assert_eq!(lower, "https://id.example.com:8443/A/?q#f");
        assert_eq!(address.fetched_at("/x"), "https://id.example.com:8443/A/x");
        let plain = parse("https://id.example.com");
        assert_eq!((plain.port(), plain.lower_case()), (None, None));
        assert!(!plain.ends_with_slash() && !plain.has_query());
        assert_eq!(parse("https://[2001:db8::1]:1/").host(), "2001:db8::1");
        assert_eq!(parse("https://[2001:db8::1]").port(), None);
    }

    #[test]
    fn plain_http_is_fetched_on_this_machine_alone() {
        assert_eq!(parse("http://id.example.com").fetched_at("/x"), "https://id.example.com/x");
        assert_eq!(parse("http://127.0.0.1:1").fetched_at("/x"), "http://127.0.0.1:1/x");
        assert_eq!(parse("http://localhost/a").fetched_at("/x"), "http://localhost/a/x");
    }

    #[test]
    fn what_has_no_scheme_and_host_cannot_be_looked_at() {
        for text in [
            "",
            "id.example.com",
            "ftp://a",
            "https://",
            "https:///a",
            "https://u@a",
            "https://a b",
        ] {
            assert!(IssuerAddress::parse(text).is_err(), "{text}");
        }
    }
}
