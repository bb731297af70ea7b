//! `[listen]`: where the coordinator listens.

use std::path::PathBuf;

use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::settings::Span;
use moneyer_daemon::tls::TlsFiles;
use moneyer_identity::IssuerUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::AcmeSection;

/// Where the coordinator listens. A TCP address is `127.0.0.1:8480` or `[::1]:8480`, a Unix socket
/// `unix:/path`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSection {
    /// Discovery and key set. Any but a loopback address and a Unix socket needs `public_tls` or
    /// `public_plain`. Default: `127.0.0.1:8480`.
    pub public: ListenAddress,
    /// That plain HTTP is meant: with `behind_proxy` whoever can reach the public listener gets plain HTTP,
    /// and an ingress or a proxy in front speaks https for it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_plain: Option<PublicPlain>,
    /// The public listener's own certificate, from files. Default: none.
    #[serde(skip_serializing_if = "PublicTlsSection::is_empty")]
    pub public_tls: PublicTlsSection,
    /// The public listener's certificate from an ACME server, in place of files. Default: none.
    #[serde(skip_serializing_if = "AcmeSection::is_empty")]
    pub acme: AcmeSection,
    /// A bundle endpoint of the profile `https_spiffe` for other trust domains, beside the public listener's
    /// `https_web`: the trust bundle at `/` and `/.well-known/spiffe-bundle`, over TLS with an X.509-SVID of
    /// this cluster, `spiffe://<trust domain>/moneyer/bundle`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_bundle: Option<ListenAddress>,
    /// Log-in with SVIDs (`[login]`): `POST /v1/login/spiffe`; and token exchange (`[exchange]`): `POST /token`. With the
    /// public listener's certificate where it has one, which X.509-SVIDs need; else plain HTTP, on a loopback
    /// address, a Unix socket or with `public_plain` alone. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ListenAddress>,
    /// gRPC over mTLS for runners and sandbox controllers. Default: `0.0.0.0:8482`.
    pub grpc: ListenAddress,
    /// Status page, health and metrics, plain HTTP without authentication: keep it on loopback or in the
    /// cluster. Default: `127.0.0.1:8483`.
    pub operations: ListenAddress,
    /// The management API. A Unix socket, since callers are known by the kernel's word alone.
    /// Default: `unix:/run/moneyer/management.sock`.
    pub management: ListenAddress,
    /// The management API once more, for whoever shows the token of a log-in or an X.509-SVID, as far as policies permit
    /// it, or the token of a service account (`[management]`). With the public listener's certificate where it has one,
    /// which X.509-SVIDs need; else plain HTTP, on a loopback address or with `public_plain` alone. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_remote: Option<ListenAddress>,
    /// User ids that may use the management socket, beside root and the daemon's own. Default: none.
    pub operators: Vec<u32>,
    /// How long everything is still served after the signal to end, while `/readyz` says 503: what a load balancer needs
    /// to see it. Another signal cuts it short. Default: `3s`.
    pub leave_after: Span,
}

/// Why plain HTTP may be served to other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicPlain {
    /// Something in front speaks https.
    BehindProxy,
}

/// A certificate and its key in PEM files, read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublicTlsSection {
    /// The certificate, followed by those that signed it up to the root. With it the public listener speaks
    /// https and nothing else. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, not encrypted (PKCS#8, PKCS#1 or SEC1). Its owner and group may read
    /// it, nobody else. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl PublicTlsSection {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The two files, if both are named.
    pub(crate) fn files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.certificate.clone()?, self.key.clone()?);
        Some(TlsFiles { certificate, key })
    }
}

impl Default for ListenSection {
    fn default() -> Self {
        let tcp = |ip: [u8; 4], port| ListenAddress::Tcp((ip, port).into());
        Self {
            public: tcp([127, 0, 0, 1], 8480),
            public_plain: None,
            public_tls: PublicTlsSection::default(),
            acme: AcmeSection::default(),
            spiffe_bundle: None,
            exchange: None,
            grpc: tcp([0, 0, 0, 0], 8482),
            operations: tcp([127, 0, 0, 1], 8483),
            management: ListenAddress::Unix("/run/moneyer/management.sock".into()),
            management_remote: None,
            operators: Vec::new(),
            leave_after: Span::from_secs(3),
        }
    }
}

impl ListenSection {
    /// That a listener which has the public one's certificate hands no token over plain HTTP to other machines.
    pub(super) fn check_shared(
        &self,
        key: &str,
        address: Option<&ListenAddress>,
        wrong: &mut impl FnMut(&str, String),
    ) {
        let is_https = !self.public_tls.is_empty() || !self.acme.is_empty();
        if let Some(address) = address.filter(|address| is_open(address))
            && !is_https
            && self.public_plain.is_none()
        {
            let message = format!(
                "{address} would take tokens over plain HTTP: name a certificate \
                 (listen.public_tls.certificate and .key, or listen.acme), or, behind a proxy that speaks https, \
                 say so (listen.public_plain = \"behind_proxy\")"
            );
            wrong(key, message);
        }
    }

    /// What does not fit together of the public listener's settings: at which key, and what would be right.
    pub(super) fn check_public(&self, issuer: &IssuerUrl, wrong: &mut impl FnMut(&str, String)) {
        self.acme.check(self, issuer, wrong);
        let tls = &self.public_tls;
        let is_https = !tls.is_empty() || !self.acme.is_empty();
        match (&tls.certificate, &tls.key) {
            (Some(_), None) => {
                wrong("listen.public_tls.key", "is needed beside the certificate".to_owned());
            }
            (None, Some(_)) => {
                wrong("listen.public_tls.certificate", "is needed beside the key".to_owned());
            }
            _ => {}
        }
        let open = is_open(&self.public);
        if is_https && self.public_plain.is_some() {
            let message = "says plain HTTP, and the certificate says https; remove one of them";
            wrong("listen.public_plain", message.to_owned());
        } else if open
            && issuer.as_str().starts_with("https://")
            && !is_https
            && self.public_plain.is_none()
        {
            let message = format!(
                "{} would hand plain HTTP to other machines, and the issuer is https: name a \
                 certificate (listen.public_tls.certificate and .key, or listen.acme), or, behind an ingress or a proxy that \
                 speaks https, say so (listen.public_plain = \"behind_proxy\")",
                self.public
            );
            wrong("listen.public", message);
        }
    }
}

/// Whether other machines reach it.
fn is_open(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        ListenAddress::Unix(_) => false,
    }
}
