//! When a token is served, renewed or given up.
//!
//! Pure functions of instants and durations, without `async`, clock or randomness, so that every
//! promise about an outage can be read and tested here: renewal comes at or before half of a
//! token's life, so whoever holds one has at least half a life in hand when the coordinator goes
//! away. Life is counted from the moment a token was asked for, by `expires_in` and instants of the
//! [timeline](super::Timeline), never by the wall clock: a host whose clock is wrong renews at the
//! right time.

use std::time::Duration;

use tokio::time::Instant;

/// A token with less left than this is not worth handing out if a new one can be had: the relying
/// party's round trip, and its clock, need a few seconds.
const NEARLY_OVER: Duration = Duration::from_secs(10);

/// With the jitter at its widest, a token still has three quarters of the wait to its half life behind
/// it when it is renewed, whatever the configured jitter: three eighths of its life.
const JITTER_SHARE_OF_LIFE: u32 = 8;

/// First and longest pause between attempts to renew one token while the coordinator answers with
/// failures. A minute keeps a host of a thousand sandboxes under twenty calls a second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// Pause before a refused token is asked for again: a refusal is a decision, not a fault, and is
/// also asked for again whenever the coordinator says something new of the sandbox.
pub(crate) const REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// The life of one token on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    asked_at: Instant,
    span: Duration,
}

/// What may be done with a token at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In the first half of its life: served.
    Fresh,
    /// In the second half: served at once while a new one is fetched.
    Ageing,
    /// Nearly over: a new one is waited for, and this one served only if there is none.
    Ending,
    /// Over: never served.
    Over,
}

impl Life {
    /// A life of `span` that began no earlier than `asked_at`, when the request was sent.
    pub(crate) fn new(asked_at: Instant, span: Duration) -> Self {
        Self { asked_at, span }
    }

    /// What is left of it.
    pub(crate) fn remaining(self, now: Instant) -> Duration {
        self.span.saturating_sub(now.saturating_duration_since(self.asked_at))
    }

    /// The end of it.
    pub(crate) fn end(self) -> Instant {
        self.asked_at + self.span
    }

    /// What may be done with the token now.
    pub(crate) fn standing(self, now: Instant) -> Standing {
        let remaining = self.remaining(now);
        if remaining.is_zero() {
            Standing::Over
        } else if remaining < NEARLY_OVER.max(self.span / 10) {
            Standing::Ending
        } else if remaining < self.span / 2 {
            Standing::Ageing
        } else {
            Standing::Fresh
        }
    }

    /// The widest jitter for this life, at most `configured`.
    pub(crate) fn jitter(self, configured: Duration) -> Duration {
        configured.min(self.span / JITTER_SHARE_OF_LIFE)
    }

    /// When to renew: `jitter` before half of the life, so never after it.
    pub(crate) fn renewal(self, jitter: Duration) -> Instant {
        self.asked_at + (self.span / 2).saturating_sub(jitter)
    }
}

/// The widest pause before the next attempt after this many failures in a row (at least one). The
/// pause itself is drawn from the upper half of it.
pub(crate) fn retry_pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_LONGEST)
}

/// The window over which overdue renewals are spread once the coordinator is back: the configured
/// jitter, but half of what is left of a token that would otherwise end within it.
pub(crate) fn catch_up_window(life: Option<Life>, now: Instant, configured: Duration) -> Duration {
    match life.map(|life| life.remaining(now)) {
        Some(remaining) if !remaining.is_zero() => configured.min(remaining / 2),
        _ => configured,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn standing_by_age() {
        let start = Instant::now();
        for (span, age, expected) in [
            (3600, 0, Standing::Fresh),
            (3600, 1800, Standing::Fresh),
            (3600, 1801, Standing::Ageing),
            (3600, 3240, Standing::Ageing),
            (3600, 3241, Standing::Ending),
            (3600, 3599, Standing::Ending),
            (3600, 3600, Standing::Over),
            (3600, 9999, Standing::Over),
            (60, 30, Standing::Fresh),
            (60, 50, Standing::Ageing),
            (60, 51, Standing::Ending),
            (60, 60, Standing::Over),
            (0, 0, Standing::Over),
        ] {
            let life = Life::new(start, seconds(span));
            assert_eq!(life.standing(start + seconds(age)), expected, "{span} s, {age} s old");
        }
    }

    #[test]
    fn retries_back_off_to_a_minute() {
        let pauses: Vec<_> = (1..=9).map(|n| retry_pause(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(retry_pause(u32::MAX), RETRY_LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn catching_up_is_spread_but_not_past_the_end_of_a_token() {
        let now = Instant::now();
        let life = |left| Some(Life::new(now, seconds(left)));
        assert_eq!(catch_up_window(None, now, seconds(30)), seconds(30));
        assert_eq!(catch_up_window(life(0), now, seconds(30)), seconds(30));
        assert_eq!(catch_up_window(life(20), now, seconds(30)), seconds(10));
        assert_eq!(catch_up_window(life(600), now, seconds(30)), seconds(30));
    }

    proptest! {
        #[test]
        fn a_renewal_leaves_at_least_half_a_life_in_hand(
            span in 1_u64..86_400, configured in 0_u64..7_200, share in 0.0_f64..=1.0,
        ) {
            let start = Instant::now();
            let life = Life::new(start, seconds(span));
            let widest = life.jitter(seconds(configured));
            let renewal = life.renewal(widest.mul_f64(share));
            prop_assert!(life.remaining(renewal) >= seconds(span) / 2);
            prop_assert!(renewal >= start + seconds(span) * 3 / 8);
            prop_assert!(renewal <= start + seconds(span) / 2);
            prop_assert!(widest <= seconds(configured));
        }

        #[test]
        fn a_token_never_gets_younger(span in 1_u64..86_400, first in 0_u64..90_000, later in 0_u64..90_000) {
            let start = Instant::now();
            let life = Life::new(start, seconds(span));
            let rank = |age| match life.standing(start + seconds(age)) {
                Standing::Fresh => 0,
                Standing::Ageing => 1,
                Standing::Ending => 2,
                Standing::Over => 3,
            };
            prop_assert!(rank(first) <= rank(first + later));
        }
    }
}
