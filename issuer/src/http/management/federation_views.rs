//! The JSON of federations. The command line reads the same types.

use std::time::Duration;

use clap::ValueEnum;
use moneyer_authority::federation::{BundleUrl, EndpointProfile, Federation, Fetched, Known};
use moneyer_daemon::outbound::ServerProof;
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the server of a bundle is known (SPIFFE Federation, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum EndpointProfileName {
    /// By its host name, as browsers know a server.
    HttpsWeb,
    /// By the SPIFFE ID in its X.509-SVID.
    HttpsSpiffe,
}

/// What is said of a federation.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FederationBody {
    pub(crate) url: BundleUrl,
    pub(crate) profile: EndpointProfileName,
    /// PEM, for `https_web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certificates: Option<String>,
    /// For `https_spiffe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_spiffe_id: Option<SpiffeId>,
    /// The document as a text, for `https_spiffe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bootstrap_bundle: Option<String>,
}

impl FederationBody {
    /// The federation it says, or what it says of another profile.
    pub(crate) fn federation(self, trust_domain: TrustDomain) -> Result<Federation, String> {
        let Self { url, profile, ca_certificates, endpoint_spiffe_id, bootstrap_bundle } = self;
        let endpoint = match (profile, endpoint_spiffe_id) {
            (EndpointProfileName::HttpsWeb, None) if bootstrap_bundle.is_none() => {
                if let Some(pem) = &ca_certificates {
                    let proof = ServerProof::NameUnder(pem.clone().into_bytes());
                    proof.check().map_err(|error| format!("ca_certificates: {error}"))?;
                }
                EndpointProfile::HttpsWeb { roots: ca_certificates }
            }
            (EndpointProfileName::HttpsWeb, _) => {
                return Err(
                    "a server of https_web is known by its name: leave out endpoint_spiffe_id and \
                            bootstrap_bundle, or say https_spiffe"
                        .to_owned(),
                );
            }
            (EndpointProfileName::HttpsSpiffe, None) => {
                return Err("a server of https_spiffe is known by its SPIFFE ID: endpoint_spiffe_id is missing"
                    .to_owned());
            }
            (EndpointProfileName::HttpsSpiffe, Some(endpoint_id)) if ca_certificates.is_none() => {
                EndpointProfile::HttpsSpiffe { endpoint_id, bootstrap: bootstrap_bundle }
            }
            (EndpointProfileName::HttpsSpiffe, Some(_)) => {
                return Err("a server of https_spiffe is known by a trust bundle: leave out ca_certificates, or \
                            say https_web"
                    .to_owned());
            }
        };
        Ok(Federation { trust_domain, url, endpoint })
    }
}

/// A federation, and how it stands.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FederationView {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) url: BundleUrl,
    pub(crate) profile: EndpointProfileName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_spiffe_id: Option<SpiffeId>,
    /// `in_force`, `waiting` or `too_old`.
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bundle: Option<FederatedBundleView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tried_at: Option<UnixTime>,
    /// Why the last try brought nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_try_at: Option<UnixTime>,
}

/// The bundle that was fetched last.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FederatedBundleView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_hint_seconds: Option<u64>,
    pub(crate) x509_authorities: usize,
    pub(crate) jwt_authorities: usize,
    pub(crate) fetched_at: UnixTime,
    pub(crate) trusted_until: UnixTime,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notice: Option<String>,
}

impl FederationView {
    pub(crate) fn of(known: &Known, now: UnixTime, maximum_age: Duration) -> Self {
        let (profile, endpoint_spiffe_id) = match &known.federation.endpoint {
            EndpointProfile::HttpsWeb { .. } => (EndpointProfileName::HttpsWeb, None),
            EndpointProfile::HttpsSpiffe { endpoint_id, .. } => {
                (EndpointProfileName::HttpsSpiffe, Some(endpoint_id.clone()))
            }
        };
        let trial = known.trial.as_ref();
        Self {
            trust_domain: known.federation.trust_domain.clone(),
            url: known.federation.url.clone(),
            profile,
            endpoint_spiffe_id,
            status: known.standing(now, maximum_age).as_str().to_owned(),
            bundle: known.fetched.as_ref().map(|fetched| bundle(fetched, maximum_age)),
            tried_at: trial.map(|trial| trial.at),
            problem: trial.and_then(|trial| trial.failure.clone()),
            next_try_at: trial.map(|trial| trial.next_at),
        }
    }
}

fn bundle(fetched: &Fetched, maximum_age: Duration) -> FederatedBundleView {
    FederatedBundleView {
        sequence: fetched.bundle.sequence(),
        refresh_hint_seconds: fetched.bundle.refresh_hint().map(|hint| hint.as_secs()),
        x509_authorities: fetched.bundle.x509_authorities().len(),
        jwt_authorities: fetched.bundle.jwt_authorities().len(),
        fetched_at: fetched.at,
        trusted_until: fetched.at.plus(maximum_age),
        notice: fetched.notice.map(|notice| notice.to_string()),
    }
}
