//! Process 1 of a program's namespace: makes the last steps, starts the program, and ends as it does.
//!
//! It is started by `sandbox run` with the program's environment and descriptors and with nothing else, so that there
//! is nothing in its memory that is not the sandbox's. When it ends the kernel ends whatever is left in the namespace.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, WaitOptions, getpid, setsid, wait};
use tokio::signal::unix::{SignalKind, signal};

use super::{IsolationError, calls, namespaces, privileges, signals};
use crate::isolation::start::{CANNOT_RUN, NOT_FOUND};

/// Runs the program, as this user and group where they are not the caller's; the exit code it ended with.
pub(crate) fn first_process(
    user: Option<(u32, u32)>,
    program: &[OsString],
) -> Result<u8, IsolationError> {
    if getpid() != Pid::INIT {
        return Err(IsolationError::NotFirst);
    }
    namespaces::separate_mounts()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None)
        .map_err(IsolationError::mount("mounted", "/proc"))?;
    if !fs::read_link("/proc/self").is_ok_and(|to| to == Path::new("1")) {
        return Err(IsolationError::ForeignProc);
    }
    moneyer_daemon::hardening::harden_process()
        .map_err(|error| IsolationError::First(io::Error::other(crate::chain(&error))))?;
    // A terminal that the program shares with its caller must not take what it types for the caller's.
    setsid().map_err(|error| IsolationError::Privileges("the session", error))?;
    privileges::bar_children()?;
    calls::refuse()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| IsolationError::Privileges("the end with its parent", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(IsolationError::First)?;
    runtime.block_on(run(user, program))
}

async fn run(user: Option<(u32, u32)>, program: &[OsString]) -> Result<u8, IsolationError> {
    let mut ended = signal(SignalKind::child()).map_err(IsolationError::First)?;
    let mut told = signals::catch().map_err(IsolationError::First)?;
    let Some((name, arguments)) = program.split_first() else { return Ok(NOT_FOUND) };
    let mut command = Command::new(name);
    // A group of its own, which signals of a terminal go to.
    command.args(arguments).process_group(0);
    if let Some((uid, gid)) = user {
        // With the user the standard library gives up all other groups as well.
        command.gid(gid).uid(uid);
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(refused(name, &error)),
    };
    privileges::keep_signals_alone()?;
    let program = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let program = program.ok_or(IsolationError::NotFirst)?;
    loop {
        if let Some(code) = reap(program) {
            return Ok(code);
        }
        tokio::select! {
            _ = ended.recv() => {}
            Some(signal) = told.recv() => signals::to_program(program, signal),
        }
    }
}

/// Why the program could not be run, as a shell says it.
fn refused(name: &OsString, error: &io::Error) -> u8 {
    use std::io::Write as _;
    let name = name.to_string_lossy();
    // Standard error may be closed; the exit code still tells.
    writeln!(io::stderr(), "moneyer-runner-proxy: cannot run {name}: {error}").ok();
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }
}

/// Takes leave of every process that has ended; the exit code of the program if it is one of them.
fn reap(program: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == program {
            code = exit_code(status.exit_status(), status.terminating_signal());
        }
    }
    code
}

/// Its code, or 128 and the number of the signal that ended it.
pub(super) fn exit_code(code: Option<i32>, signal: Option<i32>) -> Option<u8> {
    let number = code.or_else(|| signal.map(|signal| 128 + signal))?;
    Some(u8::try_from(number).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_128_and_its_number() {
        assert_eq!(exit_code(Some(7), None), Some(7));
        assert_eq!(exit_code(None, Some(15)), Some(143));
        assert_eq!(exit_code(None, None), None);
    }

    #[test]
    fn on_its_own_it_does_nothing() {
        let refused = first_process(None, &["true".into()]).unwrap_err();
        assert!(matches!(refused, IsolationError::NotFirst), "{refused}");
    }
}
