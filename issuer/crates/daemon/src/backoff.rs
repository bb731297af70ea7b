//! Waiting between attempts so that a crowd of clients does not return at once.
//!
//! Full jitter: each wait is drawn evenly from zero to a ceiling that doubles with every
//! failure. Among the common schemes it lets the most clients through per unit of load on
//! a server that is coming back.

use std::time::Duration;

/// The waits of one kind of attempt.
#[derive(Debug, Clone)]
pub struct Backoff {
    minimum: Duration,
    maximum: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Waits whose ceiling begins at `minimum` and doubles up to `maximum`.
    #[must_use]
    pub fn new(minimum: Duration, maximum: Duration) -> Self {
        Self { minimum, maximum: maximum.max(minimum), ceiling: minimum }
    }

    /// The wait after one more failure.
    #[must_use]
    pub fn after_failure(&mut self) -> Duration {
        let wait = jitter(self.ceiling);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.maximum);
        wait
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.ceiling = self.minimum;
    }
}

/// A duration drawn evenly from zero to `span`, to the nanosecond.
///
/// If the system has no randomness it is `span` itself: never a shorter wait than meant.
#[must_use]
pub fn jitter(span: Duration) -> Duration {
    let range = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    match getrandom::u64() {
        // The high half of the product is even up to one part in 2^64 / range.
        Ok(random) => {
            let scaled = (u128::from(random) * (u128::from(range) + 1)) >> 64;
            Duration::from_nanos(u64::try_from(scaled).unwrap_or(range))
        }
        Err(_) => span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_under_a_ceiling_that_doubles_and_resets() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 5 * second);
        for ceiling in [1, 2, 4, 5, 5, 5] {
            assert_eq!(backoff.ceiling, ceiling * second);
            assert!(backoff.after_failure() <= ceiling * second);
        }
        backoff.reset();
        assert_eq!(backoff.ceiling, second);
    }

    #[test]
    fn jitter_spreads_over_the_whole_span() {
        let span = Duration::from_secs(1);
        let drawn: Vec<_> = (0..200).map(|_| jitter(span)).collect();
        assert!(drawn.iter().all(|wait| *wait <= span));
        // Each fails by chance once in 2^200 runs.
        assert!(drawn.iter().any(|wait| *wait < span / 2));
        assert!(drawn.iter().any(|wait| *wait > span / 2));
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
    }
}
