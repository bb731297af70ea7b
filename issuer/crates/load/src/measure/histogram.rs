//! Latencies in logarithmic buckets.
//!
//! 64 buckets for each power of two of nanoseconds: a percentile is at most 1/64 above the true one
//! and never below it. The size is fixed, so a run of any length records without allocating, and
//! histograms of many threads add up bucket by bucket.

use std::time::Duration;

/// Buckets per power of two, as bits: 2^6 keeps the error under 1.6 %.
const FINE_BITS: u32 = 6;

/// The same as a number.
const FINE: usize = 1 << FINE_BITS;

/// Enough for every `u64` of nanoseconds.
const BUCKETS: usize = (64 - FINE_BITS as usize + 1) * FINE;

/// How many calls took how long.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    /// Adds one call.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanos)) {
            *bucket += 1;
            self.count += 1;
        }
    }

    /// Adds all calls of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// How many calls there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time within which `per_mille` of 1,000 calls were done; zero for no calls.
    #[must_use]
    pub fn within(&self, per_mille: u64) -> Duration {
        let rank = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, calls) in self.buckets.iter().enumerate() {
            seen += calls;
            if seen >= rank {
                return Duration::from_nanos(upper_edge(index));
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a number of nanoseconds.
fn bucket_of(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(FINE_BITS + 1);
    let mantissa = usize::try_from(nanos >> shift).unwrap_or(0);
    shift as usize * FINE + mantissa
}

/// The largest number of nanoseconds in a bucket.
fn upper_edge(index: usize) -> u64 {
    let shift = (index / FINE).saturating_sub(1);
    let mantissa = (index - shift * FINE) as u64;
    let past = u128::from(mantissa + 1) << shift;
    u64::try_from(past - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift: the same numbers in every run.
    fn numbers(count: usize, bits: u32) -> Vec<u64> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..count).map(|_| next() >> (64 - bits)).collect()
    }

    #[test]
    fn buckets_are_in_order_and_hold_their_edges() {
        for index in 0..BUCKETS {
            assert_eq!(bucket_of(upper_edge(index)), index);
            if let Some(next) = upper_edge(index).checked_add(1) {
                assert_eq!(bucket_of(next), index + 1);
            }
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_agree_with_a_sorted_vector() {
        for bits in [5, 12, 30, 44] {
            let mut sorted = numbers(5000, bits);
            let mut histogram = Histogram::default();
            for nanos in &sorted {
                histogram.record(Duration::from_nanos(*nanos));
            }
            sorted.sort_unstable();
            for per_mille in [1, 250, 500, 900, 990, 999, 1000] {
                let rank = (sorted.len() * per_mille).div_ceil(1000);
                let exact = sorted[rank - 1];
                let found =
                    u64::try_from(histogram.within(u64::try_from(per_mille).unwrap()).as_nanos());
                let found = found.unwrap();
                assert!(found >= exact, "{per_mille}: {found} < {exact}");
                assert!(found <= exact + exact / 64 + 1, "{per_mille}: {found} > {exact}");
            }
        }
    }

    #[test]
    fn merged_equals_recorded_together() {
        let (mut left, mut right, mut both) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for (n, nanos) in numbers(1000, 30).into_iter().enumerate() {
            let one = if n % 3 == 0 { &mut left } else { &mut right };
            one.record(Duration::from_nanos(nanos));
            both.record(Duration::from_nanos(nanos));
        }
        left.merge(&right);
        assert_eq!(left.count(), 1000);
        assert_eq!(left.buckets, both.buckets);
        assert_eq!(left.within(990), both.within(990));
    }

    #[test]
    fn no_calls_took_no_time() {
        assert_eq!(Histogram::default().within(990), Duration::ZERO);
    }
}
