//! The only place that knows gRPC status codes from the coordinator.
//!
//! What the coordinator answers keeps its text, which is one of a few constant ones; a failure on the way
//! gets one of ours, since what a transport says is for the log.

use std::error::Error as _;
use std::time::Duration;

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
    let error = if is_answer(status) { of(status.code(), status.message()) } else { away() };
    IssueError { retry_after: retry_after(status), ..error }
}

/// Whether the connection broke under the call: what the coordinator answers has no cause here.
pub(super) fn is_cut_off(status: &Status) -> bool {
    status.source().is_some()
}

/// Whether the coordinator itself said so: the call was not cut off, and has no code that it never gives.
fn is_answer(status: &Status) -> bool {
    let on_the_way = [Code::DeadlineExceeded, Code::Cancelled, Code::Unknown];
    !is_cut_off(status) && !on_the_way.contains(&status.code())
}

/// When the coordinator says to ask again.
fn retry_after(status: &Status) -> Option<Duration> {
    let milliseconds = status.metadata().get("retry-after-ms")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
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
        | ErrorClass::Conflict
        | ErrorClass::Unavailable => told,
        ErrorClass::Unauthenticated => "the coordinator does not accept this runner",
        ErrorClass::Internal => "the coordinator failed",
    };
    IssueError::new(class, message)
}

/// The answer without a call while there is no connection.
pub(super) fn away() -> IssueError {
    IssueError::new(ErrorClass::Unavailable, AWAY)
}

/// The answer to an answer that breaks the protocol.
pub(super) fn nonsense() -> IssueError {
    of(Code::Internal, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_ask_again_is_kept() {
        let told = |text: &str| {
            let mut status = Status::resource_exhausted("slow down");
            status.metadata_mut().insert("retry-after-ms", text.parse().unwrap());
            of_status(&status).retry_after
        };
        assert_eq!(told("1250"), Some(Duration::from_millis(1250)));
        assert_eq!((told("soon"), told("-1"), told("")), (None, None, None));
        assert_eq!(of_status(&Status::resource_exhausted("")).retry_after, None);
    }

    #[test]
    fn what_the_coordinator_answers_keeps_its_text_and_failures_do_not() {
        for (code, expected) in
            [(Code::NotFound, ErrorClass::NotFound), (Code::Unavailable, ErrorClass::Unavailable)]
        {
            let answered = of_status(&Status::new(code, "said by the coordinator"));
            assert_eq!((answered.class, &*answered.message), (expected, "said by the coordinator"));
        }
        for (code, expected) in [
            (Code::Unknown, ErrorClass::Unavailable),
            (Code::DeadlineExceeded, ErrorClass::Unavailable),
            (Code::Internal, ErrorClass::Internal),
            (Code::Unauthenticated, ErrorClass::Unauthenticated),
        ] {
            let error = of_status(&Status::new(code, "canary"));
            assert_eq!(error.class, expected);
            assert!(!error.message.contains("canary"), "{code:?}");
        }
        let broken = Status::from_error(Box::new(std::io::Error::other("canary")));
        let error = of_status(&broken);
        assert_eq!((error.class, &*error.message), (ErrorClass::Unavailable, AWAY));
    }
}
