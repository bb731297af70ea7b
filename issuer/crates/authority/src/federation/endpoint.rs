//! Where a foreign trust bundle is fetched, and how the server there is known (Federation standard, section 5).
//!
//! The two profiles are never mixed: a server of `https_web` is known by its name under public roots or the
//! given ones, a server of `https_spiffe` by one SPIFFE ID under a trust bundle. The bundle to begin with is
//! needed where the server's id is of the trust domain it serves, and is refused where it is not: then the
//! bundle of the id's own trust domain counts, which is fetched by itself.

use std::fmt;

use moneyer_identity::spiffe::{SpiffeId, TrustBundle, TrustBundleError, TrustDomain};
use serde::{Deserialize, Serialize};

/// Longest address in bytes: what servers and proxies commonly take.
pub const MAXIMUM_URL_BYTES: usize = 2048;

/// Longest PEM of roots in bytes: a dozen of RSA-4096. With the rest it is one record of the store.
pub const MAXIMUM_ROOTS_BYTES: usize = 32 * 1024;

/// Longest bundle to begin with, in bytes, of which only the CA certificates are kept: a dozen of RSA-4096.
pub const MAXIMUM_BOOTSTRAP_BYTES: usize = 32 * 1024;

/// Why a text is no address of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleUrlError {
    /// Not `https`.
    #[error("the URL of a bundle begins with https://")]
    Scheme,
    /// No host.
    #[error("the URL of a bundle names a host")]
    Host,
    /// A name or password.
    #[error("the URL of a bundle has no name and password in it")]
    UserInfo,
    /// A fragment, which no server would see.
    #[error("the URL of a bundle has no fragment")]
    Fragment,
    /// A character that two readers may take for two things.
    #[error("the URL of a bundle is of visible ASCII characters, without a backslash")]
    Character,
    /// Longer than [`MAXIMUM_URL_BYTES`].
    #[error("the URL of a bundle is longer than {MAXIMUM_URL_BYTES} bytes")]
    TooLong,
}

/// The address of a bundle: https, a host, nobody's name and password (section 5.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BundleUrl(String);

impl BundleUrl {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, BundleUrlError> {
        if text.len() > MAXIMUM_URL_BYTES {
            return Err(BundleUrlError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(BundleUrlError::Character);
        }
        let rest = text.strip_prefix("https://").ok_or(BundleUrlError::Scheme)?;
        if rest.contains('#') {
            return Err(BundleUrlError::Fragment);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(BundleUrlError::UserInfo);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(BundleUrlError::Host);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BundleUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BundleUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleUrl({})", self.0)
    }
}

impl TryFrom<String> for BundleUrl {
    type Error = BundleUrlError;

    fn try_from(text: String) -> Result<Self, BundleUrlError> {
        Self::parse(&text)
    }
}

impl From<BundleUrl> for String {
    fn from(url: BundleUrl) -> Self {
        url.0
    }
}

/// How the server of a bundle is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "profile", rename_all = "snake_case", deny_unknown_fields)]
pub enum EndpointProfile {
    /// By the name in its certificate.
    HttpsWeb {
        /// The roots it is known under, PEM, and no others. Without: those that this machine trusts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        roots: Option<String>,
    },
    /// By the SPIFFE ID in its X.509-SVID.
    HttpsSpiffe {
        /// Exactly this one.
        endpoint_id: SpiffeId,
        /// The document of the bundle it is known by before one was fetched, with nothing in it but CA
        /// certificates. Exactly where the id is of the trust domain that is served.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bootstrap: Option<String>,
    },
}

impl EndpointProfile {
    /// Its name in the standard.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::HttpsWeb { .. } => "https_web",
            Self::HttpsSpiffe { .. } => "https_spiffe",
        }
    }
}

/// Why what is said is no federation.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    /// The roots are too long.
    #[error("the roots of the server are longer than {MAXIMUM_ROOTS_BYTES} bytes")]
    Roots,
    /// The bundle to begin with is too long.
    #[error(
        "the CA certificates of the bundle to begin with take more than {MAXIMUM_BOOTSTRAP_BYTES} bytes; those that \
         sign the server's certificate are enough"
    )]
    LongBootstrap,
    /// The bundle to begin with is none.
    #[error("the bundle to begin with is refused")]
    Bootstrap(#[source] TrustBundleError),
    /// It has no CA certificate, so no server would be known by it.
    #[error(
        "the bundle to begin with has no CA certificate (use x509-svid), so it proves no server"
    )]
    EmptyBootstrap,
    /// It is missing.
    #[error(
        "the server is of the trust domain it serves, so its first certificate is known only by a bundle to begin \
         with: give one"
    )]
    NoBootstrap,
    /// It would never be looked at.
    #[error(
        "the server is of the trust domain {0}, whose own bundle it is known by: federate with that one, and leave \
         out the bundle to begin with"
    )]
    OtherBootstrap(TrustDomain),
}

/// A foreign trust domain, and where its bundle is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federation {
    /// Whose bundle it is, whatever the server calls itself.
    pub trust_domain: TrustDomain,
    /// Where it is.
    pub url: BundleUrl,
    /// How the server there is known.
    pub endpoint: EndpointProfile,
}

impl Federation {
    /// The same as it is kept: checked, and the bundle to begin with reduced to its CA certificates.
    pub(super) fn checked(mut self) -> Result<Self, FederationError> {
        match &mut self.endpoint {
            EndpointProfile::HttpsWeb { roots } => {
                if roots.as_ref().is_some_and(|pem| pem.len() > MAXIMUM_ROOTS_BYTES) {
                    return Err(FederationError::Roots);
                }
            }
            EndpointProfile::HttpsSpiffe { endpoint_id, bootstrap } => {
                let of = endpoint_id.trust_domain();
                match (*of == self.trust_domain, &bootstrap) {
                    (true, None) => return Err(FederationError::NoBootstrap),
                    (false, Some(_)) => return Err(FederationError::OtherBootstrap(of.clone())),
                    (false, None) => {}
                    (true, Some(document)) => {
                        let reduced = reduced(&self.trust_domain, document)?;
                        *bootstrap = Some(reduced.to_document());
                    }
                }
            }
        }
        Ok(self)
    }

    /// The bundle to begin with, where there is one.
    pub(super) fn bootstrap(&self) -> Option<TrustBundle> {
        match &self.endpoint {
            EndpointProfile::HttpsSpiffe { bootstrap: Some(document), .. } => {
                TrustBundle::parse(self.trust_domain.clone(), document.as_bytes()).ok()
            }
            _ => None,
        }
    }
}

/// The CA certificates of a bundle alone: no server is known by a JWT key.
fn reduced(trust_domain: &TrustDomain, document: &str) -> Result<TrustBundle, FederationError> {
    let bundle = TrustBundle::parse(trust_domain.clone(), document.as_bytes());
    let bundle = bundle.map_err(FederationError::Bootstrap)?;
    if bundle.x509_authorities().is_empty() {
        return Err(FederationError::EmptyBootstrap);
    }
    let certificates = bundle.x509_authorities().to_vec();
    let reduced = TrustBundle::new(trust_domain.clone(), certificates, Vec::new());
    let reduced = reduced.map_err(FederationError::Bootstrap)?;
    if reduced.to_document().len() > MAXIMUM_BOOTSTRAP_BYTES {
        return Err(FederationError::LongBootstrap);
    }
    Ok(reduced)
}

impl schemars::JsonSchema for BundleUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BundleUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "https, with a host, without a name, a password and a fragment.",
            "maxLength": MAXIMUM_URL_BYTES,
            "pattern": "^https://[^/?#@:\\\\ ][^#@\\\\ ]*$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f3_an_address_is_https_with_a_host_and_nobodys_password() {
        for good in ["https://a.example", "https://a.example:8443/x?y", "https://[2001:db8::1]/"] {
            assert_eq!(BundleUrl::parse(good).unwrap().as_str(), good);
        }
        let longest = format!("https://a.example/{}", "x".repeat(MAXIMUM_URL_BYTES - 18));
        assert!(BundleUrl::parse(&longest).is_ok());
        assert_eq!(BundleUrl::parse(&format!("{longest}x")), Err(BundleUrlError::TooLong));
        for (bad, why) in [
            ("http://a.example/", BundleUrlError::Scheme),
            ("HTTPS://a.example/", BundleUrlError::Scheme),
            ("spiffe://a.example", BundleUrlError::Scheme),
            ("https://user@a.example/", BundleUrlError::UserInfo),
            ("https://u:p@a.example/", BundleUrlError::UserInfo),
            ("https:///x", BundleUrlError::Host),
            ("https://", BundleUrlError::Host),
            ("https://:443/", BundleUrlError::Host),
            ("https://a.example/#x", BundleUrlError::Fragment),
            ("https://a.example\\@b.example/", BundleUrlError::Character),
            ("https://a.example/ x", BundleUrlError::Character),
            ("https://\u{430}.example/", BundleUrlError::Character),
        ] {
            assert_eq!(BundleUrl::parse(bad), Err(why), "{bad}");
        }
    }
}
