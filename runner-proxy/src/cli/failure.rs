//! How a command fails: a sentence for the person, an exit code for the script.

use std::error::Error;
use std::fmt;

use moneyer_daemon::exit::Exit;
use moneyer_daemon::settings::SettingsErrors;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// A failure with exit code 1.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { exit: Exit::StartFailed, text: text.into() }
    }

    /// A failure while doing something, with its causes.
    pub(super) fn of(doing: &str, error: &(dyn Error + Send + Sync + 'static)) -> Self {
        Self::new(format!("{doing}: {}", crate::chain(error)))
    }

    /// The arguments are at fault.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, text: text.into() }
    }

    /// What was written is damaged.
    pub(super) fn damaged(error: &(dyn Error + Send + Sync + 'static)) -> Self {
        Self { exit: Exit::StoreRefused, text: crate::chain(error) }
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "moneyer-runner-proxy: {}", self.text)
    }
}

impl From<SettingsErrors> for Failure {
    fn from(errors: SettingsErrors) -> Self {
        let text = format!("the configuration is not usable\n{errors}");
        Self { exit: Exit::BadConfiguration, text }
    }
}
