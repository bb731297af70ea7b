//! Fetching: one client, every redirect judged, time and size counted over all of it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url};

use super::addresses::{PublicAddresses, is_public};
use super::server_proof::ServerProof;
use crate::outbound::policy::{OutboundError, OutboundPolicy};

/// Most redirects that are followed: a name with and without `www`, a path with and without its slash, and
/// one to another host.
pub const MAXIMUM_REDIRECTS: usize = 3;

/// What is taken. An API server has its key set under the type of RFC 7517 section 8.5 and under no other, and refuses
/// (406) who asks for plain JSON.
const ACCEPTED: &str = "application/jwk-set+json, application/json";

/// Fetches a foreign document within its policy. The roots of the policy count for nothing: [`ServerProof`]
/// says how a server is known.
#[derive(Debug, Clone)]
pub struct ForeignDocument {
    /// What a fetch may take, all redirects together.
    pub policy: OutboundPolicy,
    /// Whether addresses are asked that only this machine or its network reaches.
    pub private_addresses: bool,
    /// Whether redirects are followed. Where private addresses are asked because somebody we trust named one, a server
    /// must not name others.
    pub redirects: bool,
}

impl ForeignDocument {
    /// Fetches it: 200 or nothing.
    pub async fn get(&self, url: &str, proof: &ServerProof) -> Result<Vec<u8>, OutboundError> {
        self.get_as(url, proof, None).await
    }

    /// The same for a server that asks who we are: it is shown this bearer token (RFC 6750 section 2.1), and where it
    /// redirects nothing is fetched, so that the token is carried to no other.
    pub async fn get_as(
        &self,
        url: &str,
        proof: &ServerProof,
        bearer: Option<&str>,
    ) -> Result<Vec<u8>, OutboundError> {
        let total = self.policy.total;
        let fetching = tokio::time::timeout(total, self.follow(url, proof, bearer));
        fetching.await.map_err(|_over| OutboundError::TooSlow(total))?
    }

    async fn follow(
        &self,
        url: &str,
        proof: &ServerProof,
        bearer: Option<&str>,
    ) -> Result<Vec<u8>, OutboundError> {
        let client = self.client(proof)?;
        let mut url = self.permitted(Url::parse(url).map_err(|_not_a_url| OutboundError::Url)?)?;
        for _ in 0..=MAXIMUM_REDIRECTS {
            let mut request = client.get(url.clone()).header("accept", ACCEPTED);
            if let Some(bearer) = bearer {
                request = request.bearer_auth(bearer);
            }
            let response = request.send().await.map_err(OutboundError::Fetch)?;
            match response.status() {
                StatusCode::OK => return self.body(response).await,
                status if status.is_redirection() && (bearer.is_some() || !self.redirects) => {
                    return Err(OutboundError::Redirect(status));
                }
                status if status.is_redirection() => {
                    let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                    let to = to.and_then(|to| url.join(to).ok());
                    url = self.permitted(to.ok_or(OutboundError::Status(status))?)?;
                }
                status => return Err(OutboundError::Status(status)),
            }
        }
        Err(OutboundError::TooManyRedirects(MAXIMUM_REDIRECTS))
    }

    fn client(&self, proof: &ServerProof) -> Result<Client, OutboundError> {
        let mut builder = self.policy.builder().https_only(true);
        if !self.private_addresses {
            builder = builder.dns_resolver(Arc::new(PublicAddresses));
        }
        if let Some(tls) = proof.tls()? {
            builder = builder.tls_backend_preconfigured(tls);
        }
        builder.build().map_err(OutboundError::Client)
    }

    /// An address that may be asked. One that is a number is judged here, since nobody resolves it.
    fn permitted(&self, url: Url) -> Result<Url, OutboundError> {
        let nobody = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || !nobody {
            return Err(OutboundError::NotHttps);
        }
        let host = url.host_str().unwrap_or_default();
        let number = host.trim_start_matches('[').trim_end_matches(']').parse();
        let private = host == "localhost" || number.is_ok_and(|address| !is_public(address));
        if private && !self.private_addresses {
            return Err(OutboundError::Private(host.to_owned()));
        }
        Ok(url)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, OutboundError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(OutboundError::Fetch)? {
            if bytes.len() + chunk.len() > self.policy.max_body {
                return Err(OutboundError::TooLong(self.policy.max_body));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

impl OutboundPolicy {
    /// What a trust bundle may take to be fetched: this long, and this many bytes.
    #[must_use]
    pub fn of_bundle(total: Duration, max_body: usize) -> Self {
        Self { connect: total, total, max_body, extra_roots: Vec::new() }
    }
}
