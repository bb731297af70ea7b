//! The time in which the life of a token is counted: it runs on while the host sleeps.
//!
//! Tokio's clock and timers stand still while a host is suspended, and a token ages all the same. An
//! instant of the timeline is ahead of Tokio's by as long as the host has slept since it was started; the
//! two are never compared. A machine whose hypervisor stops it without telling its kernel is not noticed:
//! none of its clocks ran.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Tokio's clock, with the time asleep counted in. Clones are the same timeline.
#[derive(Clone)]
pub(crate) struct Timeline {
    asleep: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Timeline {
    /// A timeline of a host that tells how long it has been asleep, which never gets less.
    pub(crate) fn new(asleep: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { asleep: Arc::new(asleep) }
    }

    /// Now.
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + (self.asleep)()
    }

    /// What to set a timer to that is to go off `at`, if the host does not sleep until then.
    pub(crate) fn timer(&self, at: Instant) -> Instant {
        at.checked_sub((self.asleep)()).unwrap_or_else(Instant::now)
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("asleep", &(self.asleep)()).finish()
    }
}
