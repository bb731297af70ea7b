//! Verifying a token as a relying party would: from the issuer's URL alone.

use std::time::Duration;

use moneyer_daemon::outbound::{OutboundClient, OutboundPolicy};
use moneyer_identity::{IssuerUrl, KeySet, ProviderMetadata, Verifier};

use crate::cli::failure::Failure;

/// Fetches discovery and key set of an issuer, and checks that discovery is that issuer's.
pub(super) async fn verifier_of(issuer: &IssuerUrl) -> Result<Verifier, Failure> {
    let policy = OutboundPolicy {
        connect: Duration::from_secs(3),
        total: Duration::from_secs(5),
        max_body: moneyer_identity::MAXIMUM_KEY_SET_BYTES,
        ..OutboundPolicy::default()
    };
    let client = OutboundClient::new(policy)
        .map_err(|error| Failure::of("cannot make an HTTP client", &error))?;
    let discovery = issuer.join("/.well-known/openid-configuration");
    let fetched = client
        .fetch_json(&discovery)
        .await
        .map_err(|error| Failure::of(&format!("cannot fetch {discovery}"), &error))?;
    let metadata: ProviderMetadata = serde_json::from_slice(&fetched.bytes)
        .map_err(|error| Failure::of(&format!("{discovery} is no discovery document"), &error))?;
    if metadata.issuer != *issuer {
        return Err(Failure::new(format!(
            "{discovery} is that of {}, not of {issuer}: relying parties would refuse it",
            metadata.issuer
        )));
    }
    let key_set = client
        .fetch_json(&metadata.jwks_uri)
        .await
        .map_err(|error| Failure::of(&format!("cannot fetch {}", metadata.jwks_uri), &error))?;
    let keys = KeySet::parse(&key_set.bytes)
        .map_err(|error| Failure::of(&format!("{} is refused", metadata.jwks_uri), &error))?;
    Ok(Verifier::new(issuer.clone(), keys))
}
