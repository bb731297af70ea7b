//! [`EndpointName`]: what a destination is called in records and metrics.
//!
//! A sandbox chooses hosts, and of those that a pattern takes in there is no end; the host and port of an endpoint are an
//! operator's words, of which there are as many as profiles have.

use std::fmt;

use moneyer_identity::grant::EndpointRule;

/// The host and port of an endpoint, as they stand in its profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointName(String);

impl EndpointName {
    /// Of this endpoint.
    pub(crate) fn of(endpoint: &EndpointRule) -> Self {
        Self(format!("{}:{}", endpoint.host.as_str(), endpoint.port))
    }

    /// The text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
