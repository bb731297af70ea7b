//! Refusals on their way into the log: what was asked for, of whom, and why it was not given.

use std::error::Error;

use moneyer_identity::{ErrorClass, SandboxId, SystemWorkloadName, error_chain};

use crate::audit::delegation_event::SubjectTokenRefused;
use crate::audit::event::{Event, TokenRefused};
use crate::audit::exchange_event::ExchangeRefused;
use crate::audit::login_event::{LoginRefused, RequestRefused};
use crate::audit::svid_event::X509SvidRefused;
use crate::exchange::ParticipantContext;

/// Longest reason in bytes: an error's text with the longest audience in it.
const MAXIMUM_REASON_BYTES: usize = 1024;

/// What somebody asks for and does not get.
#[derive(Debug, Clone)]
pub(crate) enum Refused {
    /// A token for this holder.
    Token(Option<Holder>),
    /// An X.509-SVID for this sandbox.
    X509Svid(Option<SandboxId>),
    /// To be let in.
    Login,
    /// To do something with a token.
    Request,
    /// A token in exchange for a proof, of this context.
    Exchange(Option<ParticipantContext>),
    /// A user's token for this sandbox.
    SubjectToken(Option<SandboxId>),
}

impl Refused {
    /// What is told of it. `count` refusals of this class.
    pub(crate) fn event(self, class: &'static str, reason: String, count: u64) -> Event {
        match self {
            Self::Token(holder) => {
                let (sandbox, system_workload) =
                    holder.map(Holder::into_fields).unwrap_or_default();
                let refused = TokenRefused { sandbox, system_workload, class, reason, count };
                Event::TokenRefused(refused)
            }
            Self::X509Svid(sandbox) => {
                Event::X509SvidRefused(X509SvidRefused { sandbox, class, reason, count })
            }
            Self::Login => Event::LoginRefused(LoginRefused { class, reason, count }),
            Self::Exchange(participant_context) => Event::ExchangeRefused(ExchangeRefused {
                participant_context,
                class,
                reason,
                count,
            }),
            Self::SubjectToken(sandbox) => {
                Event::SubjectTokenRefused(SubjectTokenRefused { sandbox, class, reason, count })
            }
            Self::Request => Event::RequestRefused(RequestRefused { class, reason, count }),
        }
    }

    /// Which kind it is of.
    pub(crate) fn kind(&self) -> RefusedKind {
        match self {
            Self::Token(_) => RefusedKind::Token,
            Self::X509Svid(_) => RefusedKind::X509Svid,
            Self::Login => RefusedKind::Login,
            Self::Request => RefusedKind::Request,
            Self::Exchange(_) => RefusedKind::Exchange,
            Self::SubjectToken(_) => RefusedKind::SubjectToken,
        }
    }
}

/// A kind of refusals that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RefusedKind {
    /// Tokens.
    Token,
    /// X.509-SVIDs.
    X509Svid,
    /// Log-ins.
    Login,
    /// Requests with a token.
    Request,
    /// Exchanges.
    Exchange,
    /// Users' tokens.
    SubjectToken,
}

impl RefusedKind {
    /// Several of them, of which none is named.
    pub(crate) fn unnamed(self) -> Refused {
        match self {
            Self::Token => Refused::Token(None),
            Self::X509Svid => Refused::X509Svid(None),
            Self::Login => Refused::Login,
            Self::Request => Refused::Request,
            Self::Exchange => Refused::Exchange(None),
            Self::SubjectToken => Refused::SubjectToken(None),
        }
    }
}

/// Whom a token is for, as a request names it.
#[derive(Debug, Clone)]
pub(crate) enum Holder {
    /// A sandbox.
    Sandbox(SandboxId),
    /// A system workload.
    System(SystemWorkloadName),
    /// Who logged in, whom the record names as the one who asks.
    Caller,
}

impl Holder {
    /// The fields that name it, where it is not the one who asks: one of the two is there.
    pub(crate) fn into_fields(self) -> (Option<SandboxId>, Option<SystemWorkloadName>) {
        match self {
            Self::Sandbox(sandbox) => (Some(sandbox), None),
            Self::System(workload) => (None, Some(workload)),
            Self::Caller => (None, None),
        }
    }
}

/// The kind of an error and its text with that of its causes, cut to a bounded length.
pub(crate) fn reason(class: ErrorClass, error: &(dyn Error + 'static)) -> (&'static str, String) {
    (class.as_str(), bounded(error_chain(error)))
}

/// Cuts a text to the longest a reason may have.
pub(crate) fn bounded(mut text: String) -> String {
    let mut end = text.len().min(MAXIMUM_REASON_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
