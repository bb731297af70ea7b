//! What relying parties read: discovery and key set, asked for as they ask.

use moneyer_authority::keys::Published;
use moneyer_daemon::outbound::OutboundClient;
use moneyer_identity::{IssuerUrl, KeyId, KeySet, ProviderMetadata};

use super::error::LookError;

/// Where relying parties read.
#[derive(Debug, Clone)]
pub(super) struct PublicCopy {
    client: OutboundClient,
    url: IssuerUrl,
    key_set_path: String,
}

/// Which keys of this issuer relying parties are served, and which they are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) shows: Vec<KeyId>,
    pub(super) lacks: Vec<KeyId>,
}

impl PublicCopy {
    pub(super) fn new(client: OutboundClient, url: IssuerUrl, key_set_path: String) -> Self {
        Self { client, url, key_set_path }
    }

    pub(super) fn url(&self) -> &IssuerUrl {
        &self.url
    }

    /// Looks which keys are there. A key is, if its id and its public half are.
    pub(super) async fn look(&self, published: &Published) -> Result<Seen, LookError> {
        self.look_at_metadata(published).await?;
        let url = self.url.join(&self.key_set_path);
        let bytes = self.fetch(&url).await?;
        let there = KeySet::parse(&bytes).map_err(|source| LookError::KeySet { url, source })?;
        let (shows, lacks): (Vec<_>, Vec<_>) = published.key_set.iter().partition(|key| {
            there.find(key.key_id()).is_some_and(|found| found.thumbprint() == key.thumbprint())
        });
        let ids = |keys: Vec<&moneyer_identity::VerifyingKey>| {
            keys.into_iter().map(|key| key.key_id().clone()).collect()
        };
        Ok(Seen { shows: ids(shows), lacks: ids(lacks) })
    }

    /// A discovery document of this issuer leads to this key set, or relying parties find no key at all.
    async fn look_at_metadata(&self, published: &Published) -> Result<(), LookError> {
        let url = self.url.join("/.well-known/openid-configuration");
        let bytes = self.fetch(&url).await?;
        let found = serde_json::from_slice::<ProviderMetadata>(&bytes);
        let found = found.map_err(|source| LookError::Metadata { url: url.clone(), source })?;
        let ours = &published.metadata;
        if found.issuer != ours.issuer {
            let (found, issuer) = (found.issuer.to_string(), ours.issuer.clone());
            return Err(LookError::Issuer { url, found, issuer });
        }
        if found.jwks_uri != ours.jwks_uri {
            let (found, expected) = (found.jwks_uri, ours.jwks_uri.clone());
            return Err(LookError::KeySetUri { url, found, expected });
        }
        Ok(())
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, LookError> {
        let fetched = self.client.fetch_json(url).await;
        let fetched = fetched.map_err(|source| LookError::Fetch { url: url.to_owned(), source })?;
        let is_json =
            fetched.content_type.split(';').next().is_some_and(|media_type| {
                media_type.trim().eq_ignore_ascii_case("application/json")
            });
        if !is_json {
            let (url, found) = (url.to_owned(), fetched.content_type);
            return Err(LookError::MediaType { url, found });
        }
        Ok(fetched.bytes)
    }
}
