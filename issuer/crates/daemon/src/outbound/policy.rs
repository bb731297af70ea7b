//! What an outbound client may do, and the one builder that every one of them comes from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect;
use reqwest::{Client, ClientBuilder, StatusCode};

/// What a client may do.
#[derive(Debug, Clone)]
pub struct OutboundPolicy {
    /// Time to connect, TLS included.
    pub connect: Duration,
    /// Time for everything.
    pub total: Duration,
    /// Longest body in bytes.
    pub max_body: usize,
    /// Roots trusted beside the system's, PEM; each may hold several.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for OutboundPolicy {
    /// 3 s, 5 s and 64 KiB: what AWS gives an issuer, and more than any honest document needs.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            total: Duration::from_secs(5),
            max_body: 64 * 1024,
            extra_roots: Vec::new(),
        }
    }
}

impl OutboundPolicy {
    /// A builder that keeps to this policy, but for the roots.
    #[expect(clippy::disallowed_methods, reason = "the one place that builds an HTTP client")]
    pub(super) fn builder(&self) -> ClientBuilder {
        // Without a provider reqwest panics.
        crate::tls::install_provider();
        // Port 0 stands for the port of the URL.
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
            .map(|address| SocketAddr::new(address, 0));
        Client::builder()
            .resolve_to_addrs("localhost", &loopback)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(self.connect)
            .timeout(self.total)
    }
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The client could not be made.
    #[error("the HTTP client could not be made; are the extra roots PEM certificates?")]
    Client(#[source] reqwest::Error),
    /// An extra root is no certificate that could be trusted.
    #[error("an extra root is no certificate of an authority")]
    Root(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An extra root holds no certificate, so whoever added it would be misled.
    #[error("an extra root holds no PEM certificate")]
    NoRoot,
    /// The text is no URL.
    #[error("this is no URL")]
    Url,
    /// Plain http to a host that is not this machine.
    #[error(
        "only https is asked (http only on loopback), and no address with a name and password in it"
    )]
    Scheme,
    /// A redirect, which is not followed: it could lead anywhere.
    #[error("the server redirects ({0}); name the address it redirects to")]
    Redirect(StatusCode),
    /// The server answered something else than 200.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The server did not take what was put.
    #[error("the server answered {status} ({code})")]
    Refused {
        /// With which status.
        status: StatusCode,
        /// The code of its error, as S3 gives one.
        code: String,
    },
    /// More bytes than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// More redirects than are followed.
    #[error("the server redirects more than {0} times")]
    TooManyRedirects(usize),
    /// Not https, or with a name and password in it: as it was said, or where a redirect leads.
    #[error(
        "only https is asked here, also behind a redirect, and no address with a name and password in it"
    )]
    NotHttps,
    /// An address that only this machine or its network reaches.
    #[error(
        "{0} is not a public address; private ones are asked only where `federation.private_addresses` allows it"
    )]
    Private(String),
    /// The answer was not whole in time.
    #[error("no complete answer came within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// No connection, no answer in time, or broken off.
    #[error("no complete answer came")]
    Fetch(#[source] reqwest::Error),
}

impl OutboundError {
    /// Whether the time was over before the answer was whole.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_timeout(),
            Self::TooSlow(_) => true,
            _ => false,
        }
    }

    /// Whether nothing was sent, so that trying again repeats nothing.
    #[must_use]
    pub fn sent_nothing(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_connect())
    }
}
