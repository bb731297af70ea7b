//! How a command fails: a sentence for the person, an exit code for the script.

use std::error::Error;
use std::fmt;

use moneyer_daemon::exit::Exit;
use moneyer_daemon::settings::SettingsErrors;
use moneyer_store::PostgresError;

use crate::app::StartError;
use crate::public_tls::PublicTlsError;

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

    /// What is kept on disk is damaged.
    pub(super) fn damaged(error: &(dyn Error + Send + Sync + 'static)) -> Self {
        Self::refused_data(crate::chain(error))
    }

    /// The same, in words of one's own.
    pub(super) fn refused_data(text: impl Into<String>) -> Self {
        Self { exit: Exit::StoreRefused, text: text.into() }
    }

    /// The arguments are at fault.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, text: text.into() }
    }

    /// What was looked at is at fault: the findings are printed.
    pub(super) fn unsound(text: impl Into<String>) -> Self {
        Self { exit: Exit::Unsound, text: text.into() }
    }

    /// The configuration is at fault: what, and where in it.
    pub(super) fn bad_configuration(text: &str) -> Self {
        let text = format!("the configuration is not usable\n{text}");
        Self { exit: Exit::BadConfiguration, text }
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

impl Failure {
    /// What happened, to be told in another sentence.
    pub(super) fn reason(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "moneyer: {}", self.text)
    }
}

impl From<SettingsErrors> for Failure {
    fn from(errors: SettingsErrors) -> Self {
        Self::bad_configuration(&errors.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match &error {
            StartError::Store(_) | StartError::PublicTls(PublicTlsError::Record(_)) => {
                Exit::StoreRefused
            }
            StartError::Database(error) if error.is_damage() => Exit::StoreRefused,
            StartError::Database(PostgresError::Plain(_))
            | StartError::DatabaseUrl(_)
            | StartError::Seal(_)
            | StartError::PublicTls(_) => Exit::BadConfiguration,
            StartError::Audit(error) if error.is_damage() => Exit::StoreRefused,
            _ => Exit::StartFailed,
        };
        Self { exit, text: crate::chain(&error) }
    }
}
