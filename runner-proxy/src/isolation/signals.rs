//! Signals that whoever runs a program means for the program.

use std::io;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc::{self, Receiver};

/// Each of them, as tokio and as rustix name it. What stops a program cannot be passed on, since its process 1 is not
/// told of it.
const PASSED_ON: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// Catches them from now on.
pub(super) fn catch() -> io::Result<Receiver<Signal>> {
    // Enough for one of each kind at a time; the kernel drops those of a kind that is pending as well.
    let (told, heard) = mpsc::channel(PASSED_ON.len());
    for signal in PASSED_ON {
        let mut caught = unix::signal(SignalKind::from_raw(signal.as_raw()))?;
        let told = told.clone();
        tokio::spawn(async move {
            while caught.recv().await.is_some() && told.send(signal).await.is_ok() {}
        });
    }
    Ok(heard)
}

/// Passes one on to the program: those that a terminal sends to all of its group, as a terminal does.
pub(super) fn to_program(program: Pid, signal: Signal) {
    let from_terminal = matches!(signal, Signal::INT | Signal::QUIT | Signal::HUP | Signal::WINCH);
    let sent = if from_terminal {
        kill_process_group(program, signal)
    } else {
        kill_process(program, signal)
    };
    // It may have ended, which is noticed elsewhere.
    sent.ok();
}

/// Passes one on to the first process.
pub(super) fn to_first(first: Pid, signal: Signal) {
    kill_process(first, signal).ok();
}
