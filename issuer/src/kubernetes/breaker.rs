//! Leaves a server alone that does not answer: who asks then is told so at once, and does not wait.

use std::time::Duration;

use tokio::time::Instant;

/// Questions without an answer, one after the other, after which a server is left alone: one may be lost while it is
/// exchanged for another.
const FAILURES: u32 = 5;

/// How long it is left alone, and how often it is tried then.
pub(super) const LEFT_ALONE: Duration = Duration::from_secs(5);

/// How a server has answered.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether it may be asked now. While it is left alone, one question is let through each time it has been for a
    /// while: if that fails too, it is left alone for as long again.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + LEFT_ALONE);
                true
            }
        }
    }

    /// It answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It did not answer.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.open_until = Some(now + LEFT_ALONE);
        }
    }

    /// Whether it is left alone.
    pub(super) fn is_open(&self) -> bool {
        self.open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_some_failures_in_a_row_one_question_in_a_while_is_let_through() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 1..FAILURES {
            breaker.failed(now);
            assert!(breaker.admit(now) && !breaker.is_open());
        }
        breaker.failed(now);
        assert!(breaker.is_open());
        assert!(!breaker.admit(now + LEFT_ALONE - Duration::from_millis(1)));
        let later = now + LEFT_ALONE;
        assert!(breaker.admit(later), "the one");
        assert!(!breaker.admit(later), "and no second beside it");
        breaker.failed(later);
        assert!(!breaker.admit(later + LEFT_ALONE - Duration::from_millis(1)));
        assert!(breaker.admit(later + LEFT_ALONE));
        breaker.answered();
        assert!(breaker.admit(later) && !breaker.is_open());
    }

    #[test]
    fn failures_between_answers_do_not_add_up() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            (1..FAILURES).for_each(|_| breaker.failed(now));
            breaker.answered();
        }
        assert!(breaker.admit(now));
    }
}
