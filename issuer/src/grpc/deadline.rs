//! A deadline on every unary call.
//!
//! The client's `grpc-timeout` holds, but never longer than ours: a caller that asks for years gets five
//! seconds, by when its token would have been minted many times over. A stream has it until its first
//! answer.

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, Response};
use tonic::body::Body;

use crate::grpc::status;

/// Longest time a call may take. Minting takes milliseconds; a change of the store tens of them.
const LONGEST: Duration = Duration::from_secs(5);

/// How long a call may take.
pub(super) fn of(headers: &HeaderMap) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    asked.and_then(parse).map_or(LONGEST, |asked| asked.min(LONGEST))
}

/// Ends a call that takes too long.
pub(super) async fn within(
    limit: Duration,
    call: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_elapsed) => Ok(status::too_late().into_http()),
    }
}

/// `TimeoutValue TimeoutUnit` of the gRPC protocol: at most eight digits and one letter.
fn parse(text: &str) -> Option<Duration> {
    let (value, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if value.is_empty() || value.len() > 8 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = value.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_the_protocol() {
        assert_eq!(parse("1S"), Some(Duration::from_secs(1)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "S", "1", "1s", "-1S", "999999999S", "1.5S", "\u{e9}"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
