//! What is recorded: a closed list of events, whose names and fields are a contract (`docs/audit.md`).
//!
//! Every field is a name, an identifier, a time or a number, or a word of ours.

use moneyer_identity::grant::{Destination, GrantKind, GrantScope};
use moneyer_identity::{Audience, CredentialName, ProviderName, SandboxId, UnixTime};
use serde::Serialize;

use super::endpoint_name::EndpointName;
use super::refusals::Word;
use crate::grant::GrantKey;

/// One record, before it has a place in the log.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    time: UnixTime,
    who: String,
    decision: Decision,
    sandbox: SandboxId,
    #[serde(flatten)]
    what: Event,
}

impl Record {
    pub(super) fn new(time: UnixTime, sandbox: &SandboxId, what: Event) -> Self {
        let (who, sandbox) = (format!("sandbox:{sandbox}"), sandbox.clone());
        Self { time, who, decision: what.decision(), sandbox, what }
    }
}

/// How something was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Allowed,
    Refused,
}

/// Everything that is recorded.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// A token was obtained, and is used from now on.
    TokenGranted {
        #[serde(flatten)]
        asked: AskedFor,
        /// The host and port of the request it was asked for, and is first used for.
        destination: String,
        /// When it ends.
        exp: UnixTime,
    },
    /// A token was not obtained.
    TokenNotGranted {
        /// What for, where it is told one by one.
        #[serde(flatten)]
        asked: Option<AskedFor>,
        class: &'static str,
        reason: &'static str,
        count: u64,
    },
    /// A request or a tunnel was refused by what the sandbox may do, or by where it leads.
    ForwardRefused(Forwarded),
    /// A request passed that its endpoint says to write down only.
    ForwardAudited(Forwarded),
}

impl Event {
    /// Every name.
    #[cfg(test)]
    pub(super) const NAMES: [&str; 4] =
        ["token_granted", "token_not_granted", "forward_refused", "forward_audited"];

    /// So many of them that followed, none of which is told by itself.
    pub(super) fn counted(mut self, number: u64) -> Self {
        match &mut self {
            Self::TokenGranted { .. } => {}
            Self::TokenNotGranted { count, .. } => *count = number,
            Self::ForwardRefused(forwarded) | Self::ForwardAudited(forwarded) => {
                (forwarded.destination, forwarded.count) = (None, number);
            }
        }
        self
    }

    fn decision(&self) -> Decision {
        match self {
            Self::TokenGranted { .. } | Self::ForwardAudited(_) => Decision::Allowed,
            Self::TokenNotGranted { .. } | Self::ForwardRefused(_) => Decision::Refused,
        }
    }
}

/// What a token is asked for with.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AskedFor {
    app: String,
    provider: ProviderName,
    credential: CredentialName,
    grant_type: GrantKind,
    /// Without its query; nowhere where the JWT-SVID is the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
    /// The same: it is the token endpoint where the profile names none.
    svid_audience: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<Audience>,
    scopes: Vec<GrantScope>,
    revision: String,
}

impl AskedFor {
    pub(super) fn of(key: &GrantKey) -> Self {
        let grant = &key.grant;
        let before_query = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
        Self {
            app: key.holder.occupant.app.clone(),
            provider: grant.provider.clone(),
            credential: grant.credential.clone(),
            grant_type: grant.kind,
            token_endpoint: grant.endpoint.as_ref().map(|endpoint| before_query(endpoint.as_str())),
            svid_audience: before_query(grant.svid_audience.as_str()),
            audience: grant.audience.clone(),
            scopes: grant.scopes.clone(),
            revision: key.revision.clone(),
        }
    }
}

/// What was asked of the forward proxy.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Forwarded {
    /// Host and port of the first of them, where they are told one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<String>,
    /// Host and port as the endpoint has them that names the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    pub(super) class: &'static str,
    pub(super) reason: &'static str,
    pub(super) count: u64,
}

impl Forwarded {
    pub(super) fn first(
        destination: Option<&Destination>,
        endpoint: Option<&EndpointName>,
        Word { class, reason }: Word,
    ) -> Self {
        let destination = destination.map(ToString::to_string);
        Self { destination, endpoint: endpoint.map(ToString::to_string), class, reason, count: 1 }
    }
}
