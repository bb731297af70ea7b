//! The only place that turns a refusal of the Workload API into a gRPC status.
//!
//! The standard knows four codes (Workload Endpoint, section 6): `INVALID_ARGUMENT`, `UNAVAILABLE`,
//! `PERMISSION_DENIED` and `UNIMPLEMENTED`, the last of which is tonic's too for calls that are not known. No
//! other is given, since clients decide by the code whether to come back: a fault of ours is `UNAVAILABLE`
//! as well, and told in the log. Texts are constant and never repeat what was sent.

use moneyer_identity::{AudienceError, ErrorClass, IssueError};
use tonic::{Code, Status};

use super::validation::ValidationError;

/// Why a call is refused, or a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The security header is missing, repeated or has another value.
    #[error("security header missing from request: workload.spiffe.io must be true, once")]
    SecurityHeader,
    /// Not one of the configured users.
    #[error("this user may not use the Workload API of this sandbox")]
    User,
    /// An operator switched the profile off.
    #[error("this profile of the Workload API is switched off on this host")]
    ProfileOff,
    /// No audience, or an empty one.
    #[error("at least one audience is needed, and none may be empty")]
    NoAudience,
    /// An audience that is none.
    #[error("audience: {0}")]
    Audience(AudienceError),
    /// No SVID to validate.
    #[error("the SVID to validate is missing")]
    NoSvid,
    /// The SVID is not valid.
    #[error(transparent)]
    Invalid(#[from] ValidationError),
    /// There is no identity for the sandbox.
    #[error("no identity issued")]
    NoIdentity,
    /// Another SPIFFE ID than the sandbox's was asked for.
    #[error("the sandbox is not entitled to this SPIFFE ID")]
    NotEntitled,
    /// The sandbox has left.
    #[error("the sandbox is attached no more")]
    Left,
    /// The proxy goes down.
    #[error("the runner proxy is going down")]
    Closing,
    /// The coordinator was never heard, or knows of no SVIDs.
    #[error("the coordinator has not said yet whose SVIDs the sandbox gets")]
    Starting,
    /// Neither an SVID nor a coordinator.
    #[error("there is no SVID, and the coordinator cannot be reached")]
    Away,
    /// What was waited for did not come in time.
    #[error("an SVID or a trust bundle did not come in time")]
    Late,
    /// Too many streams.
    #[error("the sandbox has too many streams open")]
    TooManyStreams,
    /// The coordinator's answer.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::SecurityHeader
            | Self::NoAudience
            | Self::Audience(_)
            | Self::NoSvid
            | Self::Invalid(_) => Code::InvalidArgument,
            Self::ProfileOff => Code::Unimplemented,
            Self::User | Self::NoIdentity | Self::NotEntitled | Self::Left => {
                Code::PermissionDenied
            }
            Self::Closing | Self::Starting | Self::Away | Self::Late | Self::TooManyStreams => {
                Code::Unavailable
            }
            Self::Issue(error) => of_class(error.class),
        }
    }

    /// Whether it says that the sandbox is entitled to nothing here, or no more.
    pub(super) fn withdraws(&self) -> bool {
        self.code() == Code::PermissionDenied
    }

    /// The status.
    pub(super) fn into_status(self) -> Status {
        Status::new(self.code(), self.to_string())
    }
}

/// What a class of the coordinator's answers becomes. That the coordinator does not accept this runner is
/// not the sandbox's to see: to it the coordinator is away.
fn of_class(class: ErrorClass) -> Code {
    match class {
        ErrorClass::Invalid => Code::InvalidArgument,
        ErrorClass::Denied | ErrorClass::NotFound => Code::PermissionDenied,
        ErrorClass::Unauthenticated
        | ErrorClass::Exhausted
        | ErrorClass::Unavailable
        | ErrorClass::Conflict
        | ErrorClass::Internal => Code::Unavailable,
    }
}

/// A code as a metric label.
pub(super) fn label(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::PermissionDenied => "permission_denied",
        Code::Unavailable => "unavailable",
        Code::Unimplemented => "unimplemented",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w5_only_codes_of_the_standard_whatever_the_coordinator_answers() {
        for class in ErrorClass::ALL {
            let status = Refusal::from(IssueError::new(class, "told")).into_status();
            assert_ne!(label(status.code()), "other", "{class:?}");
        }
        let code = |class| Refusal::from(IssueError::new(class, "")).into_status().code();
        assert_eq!(code(ErrorClass::NotFound), Code::PermissionDenied);
        assert_eq!(code(ErrorClass::Exhausted), Code::Unavailable);
    }
}
