//! What a connection is waiting for, and since when.
//!
//! hyper limits only the time of an HTTP/1 head. Here every layer notes what it sees (a
//! head that began, a request in flight, a piece of an answer that the client has not yet
//! made room for), and the connection asks when that must have changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// The shared record of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Record>);

#[derive(Debug)]
struct Record {
    /// Requests whose answer is not complete.
    in_flight: usize,
    /// Answers of which a piece was handed over that the client must first take.
    owed: usize,
    /// When any of this last changed.
    last: Instant,
    /// When the head that is arriving began.
    head_since: Option<Instant>,
    /// Whether a request has ever arrived.
    served: bool,
}

/// What a look at the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is late; look again at this time.
    LookAt(Instant),
    /// No request for too long.
    Idle,
    /// The client is too slow in sending a head or in taking an answer.
    Stalled,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Record {
            in_flight: 0,
            owed: 0,
            last: Instant::now(),
            head_since: None,
            served: false,
        })))
    }

    /// Notes a request; it is in flight until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let mut record = self.record();
        record.in_flight += 1;
        record.served = true;
        record.last = Instant::now();
        drop(record);
        InFlight { activity: Arc::clone(self), owed: false }
    }

    /// Notes that the first bytes of a head have arrived, or the last.
    pub(super) fn head_open(&self, open: bool) {
        self.record().head_since = open.then(Instant::now);
    }

    /// Judges the record as of `now`.
    pub(super) fn judge(&self, now: Instant, limits: &Limits) -> Verdict {
        let record = self.record();
        let (deadline, verdict) = match (record.in_flight, record.head_since) {
            (0, Some(since)) => (since.max(record.last) + limits.header, Verdict::Stalled),
            (0, None) if !record.served => (record.last + limits.header, Verdict::Stalled),
            (0, None) => (record.last + limits.idle, Verdict::Idle),
            _ if record.owed > 0 => (record.last + limits.write_stall, Verdict::Stalled),
            // The service is at work, which has its own limits.
            _ => return Verdict::LookAt(now + shortest(limits)),
        };
        // Not later than the shortest limit: the wait may change its kind before that.
        if now >= deadline {
            verdict
        } else {
            Verdict::LookAt(deadline.min(now + shortest(limits)))
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortest(limits: &Limits) -> Duration {
    // Never zero, which would make a busy loop.
    limits.header.min(limits.idle).min(limits.write_stall).max(Duration::from_millis(1))
}

/// A request whose answer is not complete.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    owed: bool,
}

impl InFlight {
    /// Notes whether the client must take a piece of the answer before more is asked for.
    pub(super) fn owed(&mut self, owed: bool) {
        let mut record = self.activity.record();
        record.last = Instant::now();
        if owed != self.owed {
            self.owed = owed;
            record.owed = if owed { record.owed + 1 } else { record.owed.saturating_sub(1) };
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.owed(false);
        let mut record = self.activity.record();
        record.in_flight = record.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::default()
    }

    async fn pass(seconds: u64) -> Instant {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_must_come_within_the_time_for_a_head() {
        let activity = Activity::new();
        assert!(matches!(activity.judge(pass(9).await, &limits()), Verdict::LookAt(_)));
        assert_eq!(activity.judge(pass(1).await, &limits()), Verdict::Stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_request_may_begin_within_the_idle_time_but_not_drip() {
        let activity = Activity::new();
        drop(activity.begin());
        assert!(matches!(activity.judge(pass(59).await, &limits()), Verdict::LookAt(_)));
        activity.head_open(true);
        assert!(matches!(activity.judge(pass(9).await, &limits()), Verdict::LookAt(_)));
        assert_eq!(activity.judge(pass(1).await, &limits()), Verdict::Stalled);
        activity.head_open(false);
        assert_eq!(activity.judge(Instant::now(), &limits()), Verdict::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_service_is_waited_for_and_a_slow_reader_is_not() {
        let activity = Activity::new();
        let mut request = activity.begin();
        assert!(matches!(activity.judge(pass(3600).await, &limits()), Verdict::LookAt(_)));
        request.owed(true);
        assert!(matches!(activity.judge(pass(29).await, &limits()), Verdict::LookAt(_)));
        assert_eq!(activity.judge(pass(1).await, &limits()), Verdict::Stalled);
        request.owed(false);
        assert!(matches!(activity.judge(pass(3600).await, &limits()), Verdict::LookAt(_)));
    }
}
