//! The last warnings and errors of the log, in memory.
//!
//! One entry for each message, with the values it came with last and how often it came: a message that
//! comes back with ever other values pushes no other out. The invariant: nothing is kept that the log does
//! not print, and of that no field that is about a sandbox, an app, an audience, a subject or a token,
//! since a status page shows it to whoever reaches the port. Events of other crates stay in the log alone:
//! nobody here vouches for what is in them.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use moneyer_identity::{Clock, UnixTime, error_chain};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Most messages that are kept: what a person reads at a glance.
const MAXIMUM_WARNINGS: usize = 20;

/// Most bytes of a message and of its values, each: the longest cause of ours has a few hundred.
const MAXIMUM_WARNING_BYTES: usize = 1024;

/// Crates whose events are kept: ours.
const OURS: &str = "moneyer";

/// What a field is about whose value is not kept: the first word of its name.
const WITHHELD: [&str; 5] = ["app", "audience", "sandbox", "subject", "token"];

/// How loud a warning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningLevel {
    /// Something may be wrong.
    Warning,
    /// Something is wrong.
    Error,
}

/// A message of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// How loud.
    pub level: WarningLevel,
    /// The message.
    pub message: String,
    /// The values it came with last, as `name=value`.
    pub values: String,
    /// When it came first, as long as it is remembered.
    pub first_at: UnixTime,
    /// When it came last.
    pub last_at: UnixTime,
    /// How often it came since `first_at`.
    pub count: u64,
}

/// The last warnings, shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct Warnings {
    kept: Arc<Mutex<VecDeque<Warning>>>,
}

impl Warnings {
    /// Every message that is remembered, the last one first.
    #[must_use]
    pub fn list(&self) -> Vec<Warning> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().cloned().collect()
    }

    /// Remembers that this was logged.
    pub fn note(&self, level: WarningLevel, message: String, values: String, now: UnixTime) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|one| one.level == level && one.message == message);
        let before = place.and_then(|at| kept.remove(at));
        let (first_at, count) = before.map_or((now, 0), |one| (one.first_at, one.count));
        if kept.len() >= MAXIMUM_WARNINGS {
            kept.pop_front();
        }
        let count = count.saturating_add(1);
        kept.push_back(Warning { level, message, values, first_at, last_at: now, count });
    }
}

/// The last warnings of this process's log.
#[must_use]
pub fn warnings() -> Warnings {
    static WARNINGS: OnceLock<Warnings> = OnceLock::new();
    WARNINGS.get_or_init(Warnings::default).clone()
}

/// Keeps warnings as they are logged.
#[derive(Debug)]
pub struct WarningsLayer {
    warnings: Warnings,
    clock: Arc<dyn Clock>,
}

impl WarningsLayer {
    /// Keeps them there, with the time by this clock.
    #[must_use]
    pub fn new(warnings: Warnings, clock: Arc<dyn Clock>) -> Self {
        Self { warnings, clock }
    }
}

impl<S: Subscriber> Layer<S> for WarningsLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => WarningLevel::Error,
            Level::WARN => WarningLevel::Warning,
            _ => return,
        };
        if !metadata.target().starts_with(OURS) {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        self.warnings.note(level, said.message, said.values, self.clock.now());
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Said {
    message: String,
    values: String,
}

impl Said {
    fn take(&mut self, field: &Field, value: &dyn fmt::Display) {
        let name = field.name();
        let about = name.split('.').next().unwrap_or(name);
        if name == "message" {
            write!(Bounded(&mut self.message), "{value}").ok();
        } else if !WITHHELD.contains(&about) {
            let space = if self.values.is_empty() { "" } else { " " };
            write!(Bounded(&mut self.values), "{space}{name}={value}").ok();
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.take(field, &error_chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format_args!("{value:?}"));
    }
}

/// Text that takes no more than its bound, and ends with an ellipsis where more came.
struct Bounded<'a>(&'a mut String);

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.len() + letter.len_utf8() > MAXIMUM_WARNING_BYTES {
                self.0.push('…');
                return Err(fmt::Error);
            }
            self.0.push(letter);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Each reading is a second later than the one before.
    #[derive(Debug, Default)]
    struct Ticking(AtomicI64);

    impl Clock for Ticking {
        fn now(&self) -> UnixTime {
            UnixTime(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    fn kept(log: impl FnOnce()) -> Vec<Warning> {
        let warnings = Warnings::default();
        let layer = WarningsLayer::new(warnings.clone(), Arc::new(Ticking::default()));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        warnings.list()
    }

    #[test]
    fn the_last_comes_first_and_repeats_are_counted() {
        let kept = kept(|| {
            tracing::warn!(disk.free = 3, "the disk is nearly full");
            tracing::error!("the store does not write");
            tracing::info!("nobody is warned by this");
            tracing::warn!(disk.free = 2, "the disk is nearly full");
        });
        let [disk, store] = kept.as_slice() else { panic!("{kept:?}") };
        assert_eq!((&*disk.message, &*disk.values), ("the disk is nearly full", "disk.free=2"));
        assert_eq!((disk.count, disk.first_at, disk.last_at), (2, UnixTime(0), UnixTime(2)));
        assert_eq!((store.level, store.count), (WarningLevel::Error, 1));
    }

    #[test]
    fn a_cause_is_told_to_its_end() {
        let cause = std::io::Error::other("no space left");
        let error = Wrapped(cause);
        let kept =
            kept(|| tracing::error!(error = &error as &dyn std::error::Error, "not written"));
        assert_eq!(kept[0].values, "error=outer: no space left");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Wrapped(#[source] std::io::Error);

    #[test]
    fn nothing_about_a_sandbox_or_a_token_is_kept_and_nothing_of_other_crates() {
        let kept = kept(|| {
            tracing::warn!(
                sandbox.id = "hidden",
                sandbox = "hidden",
                token.subject = "hidden",
                app = "hidden",
                audience.name = "hidden",
                subject = "hidden",
                runner.id = "host-1",
                "seen"
            );
            tracing::warn!(target: "hyper::proto", "hidden");
        });
        let [one] = kept.as_slice() else { panic!("{kept:?}") };
        assert_eq!((&*one.message, &*one.values), ("seen", "runner.id=host-1"));
    }

    #[test]
    fn there_are_20_of_1_kib_at_most() {
        let kept = kept(|| {
            for number in 0..=MAXIMUM_WARNINGS {
                tracing::warn!(long = "ä".repeat(MAXIMUM_WARNING_BYTES), "message {number}");
            }
        });
        assert_eq!(kept.len(), MAXIMUM_WARNINGS);
        assert_eq!(kept[0].message, format!("message {MAXIMUM_WARNINGS}"));
        assert_eq!(kept.last().unwrap().message, "message 1");
        let values = &kept[0].values;
        assert!(values.ends_with("ä…") && values.len() <= MAXIMUM_WARNING_BYTES + '…'.len_utf8());
        let whole = self::kept(|| tracing::warn!(a = "b".repeat(MAXIMUM_WARNING_BYTES - 2), "m"));
        assert!(whole[0].values.ends_with('b'));
    }
}
