//! How it stands with the cluster at one moment, as a value.

use moneyer_authority::Authority;
use moneyer_identity::{IssuerUrl, UnixTime};
use serde::Serialize;
use tokio::time::Instant;

use super::federations::{FederationStatus, federations};
use super::keys::{KeyStatus, RotationStatus, keys, rotations};
use super::runners::{RunnersStatus, runners};
use super::traffic::{TrafficStatus, WarningStatus};
use super::verdict::Verdict;
use crate::http::management::X509AuthorityView;
use crate::http::operations::health::{Check, Health};
use crate::http::operations::routes::Watched;
use crate::publish::PublishStatus;

/// One moment, by the wall clock and by the time that passes.
#[derive(Debug, Clone, Copy)]
pub(in crate::http::operations) struct Moment {
    pub(in crate::http::operations) wall: UnixTime,
    pub(in crate::http::operations) instant: Instant,
}

/// How it stands. Times are seconds since 1970.
#[derive(Debug, Serialize)]
pub(in crate::http::operations) struct StatusView {
    /// When this was so.
    pub(super) at: UnixTime,
    pub(super) version: &'static str,
    pub(super) started_at: UnixTime,
    /// What it comes to.
    pub(super) verdict: Verdict,
    pub(super) issuer: IssuerStatus,
    /// The active one first.
    pub(super) keys: Vec<KeyStatus>,
    /// The next change of each line's signing key.
    pub(super) rotations: Vec<RotationStatus>,
    /// The authorities of X.509-SVIDs, as `moneyer key list --x509` has them.
    pub(super) x509_authorities: Vec<X509AuthorityView>,
    /// As `moneyer publish status` has it.
    pub(super) publish: PublishStatus,
    pub(super) tokens: TrafficStatus,
    pub(super) runners: RunnersStatus,
    /// How many sandboxes are placed.
    pub(super) sandboxes: usize,
    /// Foreign trust domains, as `moneyer federation list` has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) federations: Vec<FederationStatus>,
    /// As `/readyz` has them.
    pub(super) checks: Vec<Check>,
    pub(super) store_generation: u64,
    pub(super) audit: Option<AuditStatus>,
    /// Warnings and errors of the log, the last one first.
    pub(super) warnings: Vec<WarningStatus>,
}

/// The issuer and the ones before.
#[derive(Debug, Serialize)]
pub(super) struct IssuerStatus {
    pub(super) url: IssuerUrl,
    /// From when tokens name it.
    pub(super) since: UnixTime,
    pub(super) previous: Vec<PreviousIssuerStatus>,
}

/// An issuer that live tokens may still name.
#[derive(Debug, Serialize)]
pub(super) struct PreviousIssuerStatus {
    pub(super) url: IssuerUrl,
    pub(super) left_at: UnixTime,
    /// Until when it is served and verified.
    pub(super) until: UnixTime,
}

/// The audit log.
#[derive(Debug, Serialize)]
pub(super) struct AuditStatus {
    /// The number of the last durable record.
    pub(super) sequence: u64,
    /// Writes that failed since the start.
    pub(super) failures: u64,
}

impl StatusView {
    /// How it stands at this moment.
    pub(in crate::http::operations) fn of(watched: &Watched, health: Health, at: Moment) -> Self {
        let Watched { authority, metrics, publishing, warnings, started_at, .. } = watched;
        let now = at.wall;
        let publish = publishing.status();
        let audited = metrics.audited();
        let mut view = Self {
            at: now,
            version: env!("CARGO_PKG_VERSION"),
            started_at: *started_at,
            verdict: Verdict::default(),
            issuer: issuer(authority),
            keys: keys(authority.keys(), &publish, now),
            rotations: rotations(authority.keys(), now),
            x509_authorities: X509AuthorityView::all(authority),
            publish,
            tokens: TrafficStatus::of(&metrics.rates().minutes(at.instant)),
            runners: runners(authority, now),
            sandboxes: authority.registry().sandbox_count(),
            federations: federations(authority, now),
            checks: health.checks,
            store_generation: authority.store().generation().0,
            audit: audited
                .map(|log| AuditStatus { sequence: log.sequence, failures: log.failures }),
            warnings: warnings.list().into_iter().map(WarningStatus::from).collect(),
        };
        view.verdict = Verdict::of(&view);
        view
    }
}

fn issuer(authority: &Authority) -> IssuerStatus {
    let list = authority.issuers().list();
    let previous = list.previous().iter().map(|left| PreviousIssuerStatus {
        url: left.issuer.clone(),
        left_at: left.left_at,
        until: left.until,
    });
    IssuerStatus { url: list.current().clone(), since: list.since(), previous: previous.collect() }
}
