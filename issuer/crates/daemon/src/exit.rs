//! Exit codes: how a daemon tells systemd, a shell or an orchestrator why it stopped.
//!
//! The numbers above 63 are those of BSD `sysexits.h`, so that a supervisor can be told
//! not to restart a daemon whose configuration is bad (`RestartPreventExitStatus=78`).
//! They are a contract with whoever runs the daemon: a number never changes its meaning,
//! and no other number is ever returned on purpose.

use std::process::{ExitCode, Termination};

/// Why the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Success = 0,
    /// The daemon, or the command, could not start or finish.
    StartFailed = 1,
    /// The command line could not be understood.
    Usage = 2,
    /// `EX_DATAERR`: the store was refused (damaged, rolled back, or made by a newer version).
    StoreRefused = 65,
    /// `EX_PROTOCOL`: what was looked at works, and not as relying parties need it.
    Unsound = 76,
    /// `EX_CONFIG`: the configuration has errors; starting again will not help.
    BadConfiguration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_documented_ones() {
        let numbers = [
            Exit::Success,
            Exit::StartFailed,
            Exit::Usage,
            Exit::StoreRefused,
            Exit::Unsound,
            Exit::BadConfiguration,
        ]
        .map(|exit| exit as u8);
        assert_eq!(numbers, [0, 1, 2, 65, 76, 78]);
    }
}
