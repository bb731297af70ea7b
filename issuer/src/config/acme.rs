//! `[listen.acme]`: the public listener's certificate from an ACME server.

use std::net::IpAddr;
use std::path::PathBuf;

use moneyer_daemon::listener::ListenAddress;
use moneyer_identity::IssuerUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ListenSection;

/// A certificate that an ACME server (RFC 8555) issues for the issuer's host, and renews. For a cluster of one coordinator:
/// not with `store.backend = "postgres"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeSection {
    /// The server's directory, such as `https://acme-v02.api.letsencrypt.org/directory`. It connects to port
    /// 443 of the issuer's host (TLS-ALPN-01), which must lead to the public listener. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Whom the server may write to, as `mailto:ops@example.com`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// That the server's terms of service are accepted: must be `true`. Default: `false`.
    pub accept_terms: bool,
    /// Roots (PEM) that the server's own certificate is trusted under, beside the system's: for an authority
    /// of one's own. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_ca: Option<PathBuf>,
}

impl AcmeSection {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// That it is not for coordinators which share a store: each would order for itself, and whichever the server's connection
    /// leads to knows the answer to its own challenge alone.
    pub(super) fn check_shared(&self, wrong: &mut impl FnMut(&str, String)) {
        if !self.is_empty() {
            let message = "is for one coordinator: of several that share a store (store.backend = \"postgres\") each would \
                           order a certificate, and answer no challenge of another; end TLS in a proxy that has the \
                           certificate (listen.public_plain = \"behind_proxy\"), give every coordinator the same files \
                           (listen.public_tls), or have one coordinator (store.backend = \"sled\")";
            wrong("listen.acme", message.to_owned());
        }
    }

    /// What is wrong with it, and what would be right.
    pub(super) fn check(
        &self,
        listen: &ListenSection,
        issuer: &IssuerUrl,
        wrong: &mut impl FnMut(&str, String),
    ) {
        if self.is_empty() {
            return;
        }
        if !self.directory.as_ref().is_some_and(|url| url.starts_with("https://")) {
            let message = "is needed, and begins with https:// \
                           (https://acme-v02.api.letsencrypt.org/directory)";
            wrong("listen.acme.directory", message.to_owned());
        }
        if !self.accept_terms {
            let message =
                "must be true: the server issues only to who accepts its terms of service";
            wrong("listen.acme.accept_terms", message.to_owned());
        }
        for (index, contact) in self.contacts.iter().enumerate() {
            if !contact.strip_prefix("mailto:").is_some_and(|address| address.contains('@')) {
                let message = "must be written as mailto:ops@example.com".to_owned();
                wrong(&format!("listen.acme.contacts[{index}]"), message);
            }
        }
        if !listen.public_tls.is_empty() {
            let message =
                "listen.public_tls names certificate files; remove one of them".to_owned();
            wrong("listen.acme", message);
        }
        let host = issuer.host();
        if !issuer.as_str().starts_with("https://") || host.parse::<IpAddr>().is_ok() {
            let message = format!(
                "no ACME server can issue for {issuer}: the issuer needs https and a name in the DNS"
            );
            wrong("listen.acme", message);
        }
        if matches!(listen.public, ListenAddress::Unix(_)) {
            let message = "must be a TCP address: the ACME server connects to it".to_owned();
            wrong("listen.public", message);
        }
    }
}
