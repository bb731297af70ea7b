//! One run of one kind of work.

use std::time::Duration;

use super::{Histogram, as_f64, per};

/// How long each of many calls took, and how long they took together.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// One entry for each call.
    pub latencies: Histogram,
    /// Wall time from the first call's start to the last one's end.
    pub elapsed: Duration,
}

impl Sample {
    /// Adds a run made after this one.
    pub fn append(&mut self, later: &Self) {
        self.latencies.merge(&later.latencies);
        self.elapsed += later.elapsed;
    }

    /// Calls a second; 0 before anything ran.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        per(as_f64(self.latencies.count()), self.elapsed.as_secs_f64()).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up() {
        let mut whole = Sample::default();
        assert!(whole.per_second().abs() < f64::EPSILON);
        let mut part = Sample { elapsed: Duration::from_secs(2), ..Sample::default() };
        part.latencies.record(Duration::from_millis(1));
        whole.append(&part);
        whole.append(&part);
        assert_eq!(whole.latencies.count(), 2);
        assert!((whole.per_second() - 0.5).abs() < 1e-9);
    }
}
