//! How often a request to a token endpoint is repeated: seldom.
//!
//! A token endpoint that is down is not helped by twice the requests. Each request that went through earns a tenth of
//! a repetition; without any earned there is none.

use std::sync::{Mutex, PoisonError};

/// What a repetition costs, in what a request earns.
const COST: u32 = 10;

/// Most repetitions that can be earned.
const MOST_EARNED: u32 = 100;

/// What is earned and not yet used.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<u32>);

impl RetryBudget {
    /// One with a few repetitions to begin with.
    pub(super) fn new() -> Self {
        Self(Mutex::new(MOST_EARNED / 2))
    }

    /// Notes a request that went through.
    pub(super) fn earn(&self) {
        let mut earned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *earned = (*earned + 1).min(MOST_EARNED);
    }

    /// Whether a request may be repeated once; uses that up.
    pub(super) fn spend(&self) -> bool {
        let mut earned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = earned.checked_sub(COST);
        *earned = left.unwrap_or(*earned);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_earned_up_to_a_limit() {
        let budget = RetryBudget::new();
        let spent = (0..100).take_while(|_| budget.spend()).count();
        assert_eq!(spent, 5);
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..100).take_while(|_| budget.spend()).count(), 10);
    }
}
