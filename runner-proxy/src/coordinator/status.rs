//! The only place that knows gRPC status codes from the coordinator.
//!
//! A refusal keeps the coordinator's text, which is one of a few constant ones; a failure gets one
//! of ours, since what a transport says is for the log.

use moneyer_identity::{ErrorClass, IssueError};
use tonic::{Code, Status};

const AWAY: &str = "the coordinator cannot be reached";

/// What kind of failure a code is.
fn class(code: Code) -> ErrorClass {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorClass::Invalid,
        Code::Unauthenticated => ErrorClass::Unauthenticated,
        Code::PermissionDenied => ErrorClass::Denied,
        Code::NotFound => ErrorClass::NotFound,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => ErrorClass::Conflict,
        Code::ResourceExhausted => ErrorClass::Exhausted,
        // A transport that breaks under a call is Unknown to tonic.
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            ErrorClass::Unavailable
        }
        Code::Ok | Code::Unimplemented | Code::Internal | Code::DataLoss => ErrorClass::Internal,
    }
}

/// A failed call.
pub(super) fn of_status(status: &Status) -> IssueError {
    of(status.code(), status.message())
}

/// One refused request of a batch.
pub(super) fn of_refusal(code: i32, message: &str) -> IssueError {
    of(Code::from_i32(code), message)
}

fn of(code: Code, told: &str) -> IssueError {
    let class = class(code);
    let message = match class {
        ErrorClass::Invalid
        | ErrorClass::Denied
        | ErrorClass::NotFound
        | ErrorClass::Exhausted
        | ErrorClass::Conflict => told,
        ErrorClass::Unauthenticated => "the coordinator does not accept this runner",
        ErrorClass::Unavailable => AWAY,
        ErrorClass::Internal => "the coordinator failed",
    };
    IssueError { class, message: message.to_owned() }
}

/// The answer without a call while there is no connection.
pub(super) fn away() -> IssueError {
    IssueError { class: ErrorClass::Unavailable, message: AWAY.to_owned() }
}

/// The answer to an answer that breaks the protocol.
pub(super) fn nonsense() -> IssueError {
    of(Code::Internal, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_their_text_and_failures_do_not() {
        let refused = of_status(&Status::not_found("no such sandbox"));
        assert_eq!((refused.class, &*refused.message), (ErrorClass::NotFound, "no such sandbox"));
        for (code, expected) in [
            (Code::Unavailable, ErrorClass::Unavailable),
            (Code::Unknown, ErrorClass::Unavailable),
            (Code::Internal, ErrorClass::Internal),
            (Code::Unauthenticated, ErrorClass::Unauthenticated),
        ] {
            let error = of_status(&Status::new(code, "canary"));
            assert_eq!(error.class, expected);
            assert!(!error.message.contains("canary"), "{code:?}");
        }
    }
}
