//! What a person and a program are told of a development directory.

use std::collections::BTreeMap;
use std::path::Path;

use moneyer_daemon::listener::ListenAddress;
use moneyer_identity::{IssuerUrl, VerifiedToken};
use serde::Serialize;

use crate::app::Addresses;
use crate::cli::dev::layout::Layout;
use crate::cli::failure::Failure;

/// `dev.json`.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// The value of `iss`.
    issuer: IssuerUrl,
    /// Where discovery and key set are served.
    public_url: String,
    /// The demo sandbox's token of the default audience.
    token_file: String,
    /// The demo sandbox's token server over TCP.
    token_url: String,
    /// What it wants as a bearer.
    token_secret: String,
    /// The demo sandbox's token server on a Unix socket.
    identity_sock: String,
    /// The management API.
    management_sock: String,
    /// Health and metrics.
    operations_url: String,
    /// The coordinator's configuration.
    config: String,
    /// The runner proxy's configuration.
    runner_config: String,
}

impl Summary {
    /// From the addresses and the demo sandbox's environment.
    pub(super) fn new(
        layout: &Layout,
        issuer: IssuerUrl,
        addresses: &Addresses,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let variable = |name: &str| {
            let missing = || Failure::new(format!("the sandbox's environment has no {name}"));
            environment.get(name).cloned().ok_or_else(missing)
        };
        let path = |path: &Path| path.display().to_string();
        Ok(Self {
            issuer,
            public_url: url(&addresses.public),
            token_file: variable("MONEYER_TOKEN_FILE")?,
            token_url: variable("MONEYER_TOKEN_URL")?,
            token_secret: variable("MONEYER_TOKEN_SECRET")?,
            identity_sock: variable("MONEYER_IDENTITY_SOCKET")?,
            management_sock: match &addresses.management {
                ListenAddress::Unix(socket) => path(socket),
                ListenAddress::Tcp(_) => String::new(),
            },
            operations_url: url(&addresses.operations),
            config: path(&layout.config()),
            runner_config: path(&layout.runner_config()),
        })
    }

    /// The file that holds the demo sandbox's token.
    pub(super) fn token_file(&self) -> &Path {
        Path::new(&self.token_file)
    }

    /// Written for programs.
    pub(super) fn save(&self, layout: &Layout) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::of("cannot write dev.json", &error))?;
        Layout::write(&layout.summary(), &format!("{json}\n"))
    }

    /// Printed for people.
    pub(super) fn describe(&self, verified: &VerifiedToken) -> Result<String, Failure> {
        let claims = serde_json::to_string_pretty(verified.claims())
            .map_err(|error| Failure::of("cannot write the claims", &error))?;
        let Self { issuer, public_url, token_file, token_url, token_secret, identity_sock, .. } =
            self;
        let (config, runner_config) = (&self.config, &self.runner_config);
        Ok(format!(
            "\nMoneyer runs on this machine, with a demo sandbox.\n\n  \
             issuer      {issuer}\n  \
             discovery   {public_url}/.well-known/openid-configuration\n  \
             token file  {token_file}\n  \
             status      {operations}/readyz\n\n\
             Its token, verified through the issuer's public documents, says:\n{claims}\n\n\
             A token for any audience, from inside the sandbox and over TCP:\n\n  \
             curl --unix-socket {identity_sock} 'http://localhost/v1/token?audience=sts.amazonaws.com&ttl=900'\n\n  \
             curl -H 'Authorization: Bearer {token_secret}' '{token_url}?audience=my-service'\n\n\
             Look around:\n\n  \
             moneyer --config {config} sandbox list\n  \
             moneyer-runner-proxy --config {runner_config} sandbox list\n",
            operations = self.operations_url,
        ))
    }
}

fn url(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}
