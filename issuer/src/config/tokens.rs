//! `[tokens]`: what tokens may be asked for.

use moneyer_daemon::settings::Span;
use moneyer_identity::{Audience, Lifetime, LifetimeRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What tokens may be asked for, where no audience profile says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokensSection {
    /// Lifetime where none is asked for. Default: `1h`.
    pub default_lifetime: Span,
    /// Shortest lifetime. Default: `60s`.
    pub minimum_lifetime: Span,
    /// Longest lifetime, at most `24h`. Default: `24h`.
    pub maximum_lifetime: Span,
    /// The audience of a token that was asked for without one; the cluster's own services check for
    /// it, so it never stands beside another. Default: `moneyer`.
    #[schemars(with = "String")]
    pub default_audience: Audience,
    /// Most audiences in one token, 1 to 32. Each relying party could replay a token at the others:
    /// keep it low. Default: 4.
    pub maximum_audiences: usize,
}

impl Default for TokensSection {
    fn default() -> Self {
        let unconfigured = LifetimeRange::UNCONFIGURED;
        let span = |lifetime: Lifetime| Span::from_secs(lifetime.seconds().into());
        Self {
            default_lifetime: span(unconfigured.default_lifetime()),
            minimum_lifetime: span(unconfigured.minimum()),
            maximum_lifetime: span(unconfigured.maximum()),
            default_audience: default_audience(),
            maximum_audiences: 4,
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant that a test parses")]
fn default_audience() -> Audience {
    Audience::parse("moneyer").expect("a legal audience")
}
