//! The only place that turns an error into a gRPC status.
//!
//! The caller is told the class and one of a few constant texts. "Unknown" and "not yours" are the same
//! status. Causes go to the log.

use std::error::Error;
use std::time::Duration;

use moneyer_authority::enrollment::{AuthenticateError, EnrollmentError, LeafError};
use moneyer_authority::mint::MintError;
use moneyer_authority::registry::RegistryError;
use moneyer_authority::svid::SvidError;
use moneyer_identity::ErrorClass;
use tonic::{Code, Status};

use crate::delegation::DelegationFailure;

fn code(class: ErrorClass) -> Code {
    match class {
        ErrorClass::Invalid => Code::InvalidArgument,
        ErrorClass::Unauthenticated => Code::Unauthenticated,
        ErrorClass::Denied => Code::PermissionDenied,
        ErrorClass::NotFound => Code::NotFound,
        ErrorClass::Conflict => Code::FailedPrecondition,
        ErrorClass::Exhausted => Code::ResourceExhausted,
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Internal => Code::Internal,
    }
}

/// The class of a status that was made here without an error.
pub(super) fn class(status: &Status) -> ErrorClass {
    let is_of = |class: &ErrorClass| code(*class) == status.code();
    ErrorClass::ALL.into_iter().find(is_of).unwrap_or(ErrorClass::Internal)
}

fn render(class: ErrorClass, told: &str, error: &(dyn Error + Send + Sync + 'static)) -> Status {
    let cause = crate::chain(error);
    match class {
        ErrorClass::Internal | ErrorClass::Unavailable => {
            tracing::error!(error.class = class.as_str(), error.cause = cause, "call failed");
        }
        _ => tracing::info!(error.class = class.as_str(), error.cause = cause, "call refused"),
    }
    Status::new(code(class), told)
}

/// A refusal to mint.
pub(super) fn mint(error: &MintError) -> Status {
    render(error.class(), &error.told(), error)
}

/// A refusal to make an X.509-SVID.
pub(super) fn svid(error: &SvidError) -> Status {
    render(error.class(), &error.told(), error)
}

/// A user's token that a runner does not get.
pub(super) fn delegation(failure: &DelegationFailure) -> Status {
    render(failure.class(), &failure.told(), failure)
}

/// A refusal of the registry, to a controller, who may know what exists.
pub(super) fn registry(error: &RegistryError) -> Status {
    let told = match error.class() {
        ErrorClass::Internal | ErrorClass::Unavailable => "the change could not be made".to_owned(),
        _ => error.to_string(),
    };
    render(error.class(), &told, error)
}

/// A refusal to join or renew.
pub(super) fn enrollment(error: &EnrollmentError) -> Status {
    let told = match error {
        EnrollmentError::JoinToken => error.to_string(),
        EnrollmentError::Certificate(cause) if error.class() == ErrorClass::Invalid => {
            cause.to_string()
        }
        _ => "no certificate was made".to_owned(),
    };
    render(error.class(), &told, error)
}

/// One text for everyone who is not a member.
const NOT_A_MEMBER: &str = "the caller is not a member of this cluster";

/// A caller whose certificate is not a present member's.
pub(super) fn authenticate(error: &AuthenticateError) -> Status {
    render(error.class(), NOT_A_MEMBER, error)
}

/// A caller whose certificate names nobody.
pub(super) fn leaf(error: &LeafError) -> Status {
    render(ErrorClass::Unauthenticated, NOT_A_MEMBER, error)
}

/// A caller without a certificate, or of another kind than the service is for.
pub(super) fn wrong_caller() -> Status {
    Status::new(code(ErrorClass::Unauthenticated), NOT_A_MEMBER)
}

/// A path that names no call of ours.
pub(super) fn no_such_call() -> Status {
    Status::new(Code::Unimplemented, "there is no such call")
}

/// A call that was not answered by its deadline.
pub(super) fn too_late() -> Status {
    Status::new(Code::DeadlineExceeded, "the call took too long")
}

/// A member that asks a service that is not for its kind.
pub(super) fn wrong_kind() -> Status {
    Status::new(code(ErrorClass::Denied), "this service is not for this kind of member")
}

/// A message that does not convert.
pub(super) fn invalid(text: impl Into<String>) -> Status {
    Status::new(code(ErrorClass::Invalid), text)
}

/// More than the limits allow; retry after this long.
pub(super) fn exhausted(wait: Duration) -> Status {
    let mut status =
        Status::new(code(ErrorClass::Exhausted), "more tokens a second than allowed; try again");
    let milliseconds = wait.as_millis().max(1).to_string();
    if let Ok(value) = milliseconds.parse() {
        status.metadata_mut().insert("retry-after-ms", value);
    }
    status
}

/// A stream whose caller was removed or whose certificate ended.
pub(super) fn revoked() -> Status {
    Status::new(code(ErrorClass::Unauthenticated), NOT_A_MEMBER)
}

/// The daemon is going down; another try finds it or its successor.
pub(super) fn going_down() -> Status {
    Status::new(code(ErrorClass::Unavailable), "the coordinator is going down")
}
