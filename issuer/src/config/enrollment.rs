//! `[enrollment]`: certificates of the cluster's own mutual TLS.

use std::time::Duration;

use moneyer_authority::enrollment::CertificateLifetimes;
use moneyer_daemon::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certificates of runners, controllers and the coordinator among themselves. Each is renewed by itself at
/// 70 % of its life; the rest is the time for a coordinator that is away.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnrollmentSection {
    /// Life of a runner's or controller's certificate, `20s` to `90d`. One that is over takes another join
    /// token. Default: `24h`.
    pub member_certificate_lifetime: Span,
    /// Life of the coordinator's own certificate, `20s` to `90d`. Default: `7d`.
    pub coordinator_certificate_lifetime: Span,
}

impl Default for EnrollmentSection {
    fn default() -> Self {
        let lifetimes = CertificateLifetimes::default();
        let span = |lifetime: Duration| Span::from_secs(lifetime.as_secs());
        Self {
            member_certificate_lifetime: span(lifetimes.member()),
            coordinator_certificate_lifetime: span(lifetimes.coordinator()),
        }
    }
}
