//! The issuer: the URL in `iss`, and the prefix of the discovery document's address.
//!
//! OpenID Connect Discovery 1.0 section 3 asks for https without query or fragment; relying parties
//! compare the text byte for byte, so a trailing slash, an upper-case host or an explicit default
//! port would be another issuer. Here they are refused, not normalised. Plain http is taken only for
//! loopback hosts. A port is legal here and useful in development; AWS takes none, which `doctor`
//! says.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Longest issuer in bytes: AWS takes 255.
const MAXIMUM_ISSUER_BYTES: usize = 255;

/// Why a text is not an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerUrlError {
    /// Neither https nor http on loopback.
    #[error("must begin with https:// (http:// only for localhost, 127.0.0.0/8 and [::1])")]
    Scheme,
    /// Longer than 255 bytes.
    #[error("is longer than {MAXIMUM_ISSUER_BYTES} bytes, more than AWS takes")]
    TooLong,
    /// The host is missing or not a lower-case DNS name or IP address.
    #[error("must have a lower-case host name or an IP address, without user info")]
    Host,
    /// The port is 0, above 65535, written with leading zeros, or the scheme's default.
    #[error("must have no port, or one from 1 to 65535 that is not the scheme's default")]
    Port,
    /// A trailing slash.
    #[error("must not end with a slash: relying parties compare byte for byte")]
    TrailingSlash,
    /// A query or a fragment.
    #[error("must have no query and no fragment")]
    QueryOrFragment,
    /// Something in the path that is not plain segments.
    #[error("may have a path of plain segments only: letters, digits, '.', '_', '-' and '~'")]
    Path,
}

/// An issuer URL. Compared by exact bytes.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssuerUrl {
    text: Arc<str>,
    host: Arc<str>,
    path_at: usize,
}

impl IssuerUrl {
    /// Parses the exact text.
    pub fn parse(text: &str) -> Result<Self, IssuerUrlError> {
        if text.len() > MAXIMUM_ISSUER_BYTES {
            return Err(IssuerUrlError::TooLong);
        }
        if text.contains(['?', '#']) {
            return Err(IssuerUrlError::QueryOrFragment);
        }
        let (rest, default_port, secure) = if let Some(rest) = text.strip_prefix("https://") {
            (rest, "443", true)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (rest, "80", false)
        } else {
            return Err(IssuerUrlError::Scheme);
        };
        if rest.ends_with('/') {
            return Err(IssuerUrlError::TrailingSlash);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains('/') {
            check_path(path)?;
        }
        let host = check_authority(authority, default_port)?;
        if !secure && !is_loopback(host) {
            return Err(IssuerUrlError::Scheme);
        }
        let path_at = text.len() - rest.len() + authority.len();
        Ok(Self { text: text.into(), host: host.into(), path_at })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without port; IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Host and port as they stand in it: what a client sends as `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        let to_path = self.text.get(..self.path_at).unwrap_or_default();
        to_path.split_once("://").map_or(to_path, |(_, authority)| authority)
    }

    /// The path, empty or beginning with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// The address of a document under this issuer: the appended form, also for issuers with a path.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

fn check_path(path: &str) -> Result<(), IssuerUrlError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~');
    let good = |segment: &str| {
        !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(plain)
    };
    if path.split('/').all(good) { Ok(()) } else { Err(IssuerUrlError::Path) }
}

fn check_authority<'a>(authority: &'a str, default_port: &str) -> Result<&'a str, IssuerUrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']').ok_or(IssuerUrlError::Host)?;
            if inside.parse::<Ipv6Addr>().ok().is_none_or(|ip| ip.to_string() != inside) {
                return Err(IssuerUrlError::Host);
            }
            let host = authority.get(..inside.len() + 2).ok_or(IssuerUrlError::Host)?;
            match (after, after.strip_prefix(':')) {
                ("", _) => (host, None),
                (_, Some(port)) => (host, Some(port)),
                _ => return Err(IssuerUrlError::Host),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if !host.starts_with('[') && !is_host_name(host) {
        return Err(IssuerUrlError::Host);
    }
    if let Some(port) = port {
        let number = port.parse::<u16>().unwrap_or(0);
        if number == 0 || port != number.to_string() || port == default_port {
            return Err(IssuerUrlError::Port);
        }
    }
    Ok(host)
}

/// A lower-case DNS name, or a dotted IPv4 address in its usual form. A host whose last label is all
/// digits is an IPv4 address or nothing, so `127.1`, `2130706433` and octal forms fail.
pub(crate) fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with(|c: char| c.is_ascii_digit());
    host.len() <= 253
        && host.split('.').all(label)
        && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || inside.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || inside.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

impl std::str::FromStr for IssuerUrl {
    type Err = IssuerUrlError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for IssuerUrl {
    type Error = IssuerUrlError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<IssuerUrl> for String {
    fn from(issuer: IssuerUrl) -> Self {
        issuer.text.as_ref().to_owned()
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerUrl({})", self.text)
    }
}

impl schemars::JsonSchema for IssuerUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IssuerUrl".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri", "maxLength": 255 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_issuers() {
        for (text, host, path) in [
            ("https://id.prod-1.example.com", "id.prod-1.example.com", ""),
            ("https://id.example.com/clusters/a", "id.example.com", "/clusters/a"),
            ("https://id.example.com:8443", "id.example.com", ""),
            ("http://localhost:8480", "localhost", ""),
            ("http://127.0.0.1:8480/x", "127.0.0.1", "/x"),
            ("http://[::1]:8480", "::1", ""),
            ("https://localhost", "localhost", ""),
        ] {
            let issuer = IssuerUrl::parse(text).unwrap();
            assert_eq!((issuer.as_str(), issuer.host(), issuer.path()), (text, host, path));
        }
    }

    #[test]
    fn refuses_what_a_relying_party_could_read_as_another_issuer() {
        use IssuerUrlError as E;
        for (text, why) in [
            ("", E::Scheme),
            ("id.example.com", E::Scheme),
            ("HTTPS://id.example.com", E::Scheme),
            ("ftp://id.example.com", E::Scheme),
            ("http://id.example.com", E::Scheme),
            ("http://127.0.0.1.example.com", E::Scheme),
            ("http://localhost.", E::Host),
            ("https://id.example.com/", E::TrailingSlash),
            ("https://id.example.com/a/", E::TrailingSlash),
            ("https://id.example.com/?", E::QueryOrFragment),
            ("https://id.example.com#", E::QueryOrFragment),
            ("https://ID.example.com", E::Host),
            ("https://user@id.example.com", E::Host),
            ("https://id.example.com:", E::Port),
            ("https://id.example.com:0", E::Port),
            ("https://id.example.com:443", E::Port),
            ("https://id.example.com:08443", E::Port),
            ("https://id.example.com:99999", E::Port),
            ("http://2130706433", E::Host),
            ("http://0177.0.0.1", E::Host),
            ("http://0x7f.1", E::Host),
            ("http://127.1", E::Host),
            ("https://[fe80::1%25eth0]", E::Host),
            ("https://[::ffff:1", E::Host),
            ("https://[2001:DB8::1]", E::Host),
            ("https://[0:0:0:0:0:0:0:1]", E::Host),
            ("https://[::1]x", E::Host),
            ("https://[::1]:443", E::Port),
            ("https://", E::Host),
            ("https://a..b", E::Host),
            ("https://id.example.com//a", E::Path),
            ("https://id.example.com/a/../b", E::Path),
            ("https://id.example.com/%2e", E::Path),
            ("https://b\u{fc}cher.example", E::Host),
        ] {
            assert_eq!(IssuerUrl::parse(text).unwrap_err(), why, "{text}");
        }
        let at_limit = format!("https://id.example.com/{}", "a".repeat(255 - 23));
        assert_eq!(IssuerUrl::parse(&at_limit).unwrap().as_str().len(), 255);
        assert_eq!(IssuerUrl::parse(&format!("{at_limit}a")).unwrap_err(), E::TooLong);
        let long = format!("https://{}.example", "a.".repeat(130));
        assert_eq!(IssuerUrl::parse(&long).unwrap_err(), E::TooLong);
    }
}
