//! Vault over the one outbound HTTP client there is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use moneyer_daemon::outbound::{OutboundClient, OutboundError, OutboundPolicy, OutboundUrl};
use moneyer_signer::vault::{TransportError, VaultTransport};

/// Time to connect, TLS included, where a signature may take longer.
const CONNECT: Duration = Duration::from_secs(2);

/// Time for one request: making an RSA key takes seconds. A signature has its own.
const TOTAL: Duration = Duration::from_secs(30);

/// Longest answer in bytes: a thousand signatures of RSA-4096 have 800 KiB.
const LONGEST_ANSWER: usize = 2 * 1024 * 1024;

/// Why Vault cannot be asked with this configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultHttpError {
    /// The file with roots cannot be read.
    #[error("signer.vault.ca_file: {path} cannot be read")]
    Roots {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no client.
    #[error("signer.vault: there can be no HTTP client")]
    Client(#[source] OutboundError),
}

/// Asks Vault at its address.
#[derive(Debug)]
pub(crate) struct VaultHttp {
    client: OutboundClient,
    address: OutboundUrl,
}

impl VaultHttp {
    /// One that trusts the roots in this file beside the system's.
    pub(crate) fn new(
        address: OutboundUrl,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, VaultHttpError> {
        let read = |path: &Path| {
            let roots = |source| VaultHttpError::Roots { path: path.to_owned(), source };
            std::fs::read(path).map_err(roots)
        };
        let extra_roots = ca_file.map(read).transpose()?.into_iter().collect();
        let policy = OutboundPolicy {
            connect: CONNECT.min(timeout),
            total: TOTAL,
            max_body: LONGEST_ANSWER,
            extra_roots,
        };
        let client = OutboundClient::new(policy).map_err(VaultHttpError::Client)?;
        Ok(Self { client, address })
    }
}

#[async_trait]
impl VaultTransport for VaultHttp {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (mut parts, body) = request.into_parts();
        let address = self.address.as_str().trim_end_matches('/');
        let whole: Uri = format!("{address}{}", parts.uri)
            .parse()
            .map_err(|error: http::uri::InvalidUri| TransportError::Connect(error.into()))?;
        parts.uri = whole;
        let answer = self.client.exchange(Request::from_parts(parts, body)).await;
        answer.map_err(|error| match error {
            OutboundError::Fetch(cause) if cause.is_connect() => {
                TransportError::Connect(OutboundError::Fetch(cause).into())
            }
            error => TransportError::Answer(error.into()),
        })
    }
}
