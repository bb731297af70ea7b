//! A client that tells what a server answers, whatever it is.
//!
//! One connection for each question, with name look-up left to the caller, so that the time
//! told is what a client needs that comes for the first time. A redirect, an error page, a
//! certificate that nobody trusts and a body that is too long are answers here, not
//! errors: nothing is followed, and no more is read than the policy allows. Nothing that is
//! learned by it may be trusted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::time::Instant;

use super::policy::{OutboundError, OutboundPolicy};
use super::url::OutboundUrl;
use super::witness::{PeerChain, Witness};

/// What a server answered.
#[derive(Debug)]
pub struct Probed {
    /// The certificates it showed; `None` over plain http, and where it never came to them.
    pub chain: Option<PeerChain>,
    /// From the first packet to the last byte, or to the failure.
    pub took: Duration,
    /// The answer, or why there is none.
    pub answer: Result<Answer, OutboundError>,
}

/// An answer, as far as it was read.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All header fields.
    pub headers: HeaderMap,
    /// The body up to the limit.
    pub body: Vec<u8>,
    /// Whether the body goes on beyond the limit.
    pub cut_off: bool,
}

/// Asks servers within its policy.
#[derive(Debug, Clone)]
pub struct Probe {
    policy: OutboundPolicy,
}

impl Probe {
    /// A probe that keeps to a policy. The extra roots are those a private authority has; the system's
    /// count for nothing.
    pub fn new(policy: OutboundPolicy) -> Result<Self, OutboundError> {
        Witness::new(&policy.extra_roots)?;
        Ok(Self { policy })
    }

    /// Gets a document from a server whose name leads to these addresses. Port 0 stands for the port of
    /// the URL.
    pub async fn get(&self, url: &str, addresses: &[SocketAddr]) -> Probed {
        let since = Instant::now();
        match Witness::new(&self.policy.extra_roots) {
            Ok(witness) => {
                let witness = Arc::new(witness);
                let answer = self.answer(url, addresses, &witness).await;
                Probed { chain: witness.seen(), took: since.elapsed(), answer }
            }
            Err(error) => Probed { chain: None, took: since.elapsed(), answer: Err(error) },
        }
    }

    async fn answer(
        &self,
        url: &str,
        addresses: &[SocketAddr],
        witness: &Arc<Witness>,
    ) -> Result<Answer, OutboundError> {
        let url = OutboundUrl::parse(url)?;
        let host = url.host().to_owned();
        let client = self
            .policy
            .builder()
            .resolve_to_addrs(&host, addresses)
            .tls_backend_preconfigured(tls(witness)?)
            .build()
            .map_err(OutboundError::Client)?;
        let request = client.get(url.into_url()).header("accept", "application/json");
        let response = request.send().await.map_err(OutboundError::Fetch)?;
        read(response, self.policy.max_body).await
    }
}

fn tls(witness: &Arc<Witness>) -> Result<ClientConfig, OutboundError> {
    let mut config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| OutboundError::Root(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(witness) as _)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn read(mut response: Response, limit: usize) -> Result<Answer, OutboundError> {
    let headers = std::mem::take(response.headers_mut());
    let mut answer =
        Answer { status: response.status(), headers, body: Vec::new(), cut_off: false };
    while let Some(chunk) = response.chunk().await.map_err(OutboundError::Fetch)? {
        let room = limit - answer.body.len();
        answer.body.extend(chunk.iter().take(room));
        if chunk.len() > room {
            answer.cut_off = true;
            break;
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;

    use super::super::witness::Worth;
    use super::*;
    use crate::lifecycle::Shutdown;
    use crate::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
    use crate::tls::ServerTls;
    use crate::tls::fixtures::Authority;

    /// A server for `localhost`, and the only address it has.
    fn serve(authority: &Authority) -> SocketAddr {
        let tls = ServerTls::server_only(&authority.leaf_for_localhost()).unwrap();
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let router = Router::new()
            .route("/redirect", get(|| async { Redirect::permanent("/elsewhere") }))
            .route("/limit", get(|| async { vec![b' '; 64] }))
            .route("/long", get(|| async { vec![b' '; 65] }))
            .route("/never", get(std::future::pending::<()>));
        tokio::spawn(async move {
            listener.serve(router, Limits::default(), Tls::On(tls), &Shutdown::new()).await;
        });
        address
    }

    fn probe(roots: &[&Authority], total: Duration) -> Probe {
        let extra_roots = roots.iter().map(|root| root.pem.clone().into_bytes()).collect();
        let policy =
            OutboundPolicy { total, max_body: 64, extra_roots, ..OutboundPolicy::default() };
        Probe::new(policy).unwrap()
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn whatever_comes_is_told_and_nothing_is_followed() {
        let authority = Authority::new();
        let address = serve(&authority);
        let probe = probe(&[&authority], LONG);
        let get = async |path: &str| {
            let probed = probe.get(&format!("https://localhost{path}"), &[address]).await;
            (probed.chain.unwrap(), probed.answer.unwrap())
        };
        let (chain, redirect) = get("/redirect").await;
        assert_eq!(chain.worth, Worth::Named);
        assert_eq!(chain.thumbprint.len(), 40);
        assert_eq!(
            (redirect.status.as_u16(), &redirect.headers["location"]),
            (308, &"/elsewhere".parse().unwrap())
        );
        assert_eq!(get("/nothing").await.1.status, StatusCode::NOT_FOUND);
        let (_, limit) = get("/limit").await;
        assert_eq!((limit.body.len(), limit.cut_off), (64, false));
        let (_, long) = get("/long").await;
        assert_eq!((long.body.len(), long.cut_off), (64, true));
    }

    #[tokio::test]
    async fn a_chain_that_nobody_trusts_is_told_with_the_reason() {
        let authority = Authority::new();
        let address = serve(&authority);
        let worth = async |probe: Probe, host: &str| {
            let probed = probe.get(&format!("https://{host}/limit"), &[address]).await;
            assert!(probed.answer.is_ok());
            match probed.chain.unwrap().worth {
                Worth::Nothing(why) => why,
                other => panic!("{other:?}"),
            }
        };
        let unknown = worth(probe(&[], LONG), "localhost").await;
        assert_eq!(unknown, "no root that is trusted signed it");
        let other = Authority::new();
        assert_eq!(worth(probe(&[&other], LONG), "localhost").await, unknown);
        let name = worth(probe(&[&authority], LONG), "id.example.com").await;
        assert!(name.contains("not valid for name"), "{name}");
    }

    #[tokio::test]
    async fn no_answer_is_told_with_the_chain() {
        let authority = Authority::new();
        let address = serve(&authority);
        let probe = probe(&[&authority], Duration::from_secs(1));
        let probed = probe.get("https://localhost/never", &[address]).await;
        assert!(probed.answer.unwrap_err().timed_out());
        assert_eq!(probed.chain.unwrap().worth, Worth::Named);
        let probed = probe.get("http://id.example.com/", &[address]).await;
        assert!(matches!(probed.answer, Err(OutboundError::Scheme)));
    }

    #[test]
    fn roots_are_certificates() {
        let with = |pem: &[u8]| {
            let extra_roots = vec![pem.to_vec()];
            Probe::new(OutboundPolicy { extra_roots, ..OutboundPolicy::default() })
        };
        assert!(matches!(with(b"").unwrap_err(), OutboundError::NoRoot));
        let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(with(garbage).unwrap_err(), OutboundError::Root(_)));
    }
}
