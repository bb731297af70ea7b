//! Telling a person that something takes its time.
//!
//! On a terminal a spinner or a bar, elsewhere one plain line when it starts and one when
//! it is done. All of it on standard error, so that what a command prints stays clean.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two pictures of a spinner: smooth, and nothing for the CPU.
const TICK: Duration = Duration::from_millis(100);

/// Something under way.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Something whose end is not known.
    #[must_use]
    pub fn start(message: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            line(message);
            return Self { bar: None };
        }
        let bar = ProgressBar::new_spinner().with_message(message.to_owned());
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar) }
    }

    /// Something of `total` steps.
    #[must_use]
    pub fn bar(total: u64, message: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            line(message);
            return Self { bar: None };
        }
        let bar = ProgressBar::new(total).with_message(message.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        Self { bar: Some(bar) }
    }

    /// `steps` more are done.
    pub fn advance(&self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
        }
    }

    /// It is done.
    pub fn finish(self, message: &str) {
        match &self.bar {
            Some(bar) => bar.finish_with_message(message.to_owned()),
            None => line(message),
        }
    }
}

/// Standard error may be closed; then nobody waits to be told.
fn line(message: &str) {
    writeln!(std::io::stderr(), "{message}").ok();
}
