//! The outer process: makes the namespaces, starts the first process in them, and attends to it.
//!
//! Order matters. Namespaces first, with one thread; then the mounts, cut off from the host's; then the network and
//! its doors; then the first process, so that the program finds everything in place. From there on this process
//! starts no thread and no other child: the kernel lets it have none outside the new process namespace.

use std::env;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Pid;
use tokio::process::Child;

use super::doors::{self, Door};
use super::environment::lines;
use super::first::exit_code;
use super::{
    Account, IsolationError, Scrubbed, Wanted, devices, loopback, mounts, namespaces, privileges,
    relay, signals,
};

/// The program is there and cannot be run.
pub(super) const CANNOT_RUN: u8 = 126;

/// There is no such program.
pub(super) const NOT_FOUND: u8 = 127;

/// The name of the step that the first process runs.
pub(crate) const FIRST_STEP: &str = "first-process";

/// What is started, and how far apart.
pub(crate) struct Program {
    /// Its name and arguments.
    pub(crate) command: Vec<OsString>,
    pub(crate) account: Account,
    /// Whether the caller is root, who starts it as somebody else.
    pub(crate) by_root: bool,
    /// What is inherited.
    pub(crate) environment: Scrubbed,
    /// The text of the sandbox's file `env`.
    pub(crate) own_variables: String,
    pub(crate) sight: Wanted,
}

/// Starts it and waits for its end; the exit code is the program's.
pub(crate) fn start(program: &Program) -> Result<u8, IsolationError> {
    let plan = program.sight.plan()?;
    let here = env::current_dir().unwrap_or_else(|_gone| PathBuf::from("/"));
    let private_network = program.sight.private_network;
    namespaces::separate(&program.account, program.by_root, private_network)?;
    mounts::cut_off()?;
    let directory = mounts::carry_out(&plan, &program.sight.own_seen_at)?;
    devices::replace()?;
    // A working directory is held open, covered or not. Where its path leads nowhere any more the program gets the root.
    let stays = env::set_current_dir(&here).or_else(|_hidden| env::set_current_dir("/"));
    stays.map_err(IsolationError::Attend)?;
    let mut own = lines(&program.own_variables);
    let mut opened = Vec::new();
    if private_network {
        loopback::raise()?;
        opened = doors::open(&mut own)?;
    }
    if !program.by_root {
        privileges::hand_on()?;
    }
    let command = first_step(program, &own);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(IsolationError::Attend)?;
    runtime.block_on(attend(command, opened, directory))
}

/// This program again, in the new process namespace, with the environment that is meant for the other one.
fn first_step(program: &Program, own: &[(String, String)]) -> Command {
    let mut environment = program.environment.clone();
    let Account { uid, gid, name, home } = &program.account;
    environment.set("HOME", home);
    if let Some(name) = name {
        environment.set("USER", name);
        environment.set("LOGNAME", name);
    }
    for (name, value) in own {
        environment.set(name, value);
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(["sandbox", FIRST_STEP]);
    if program.by_root {
        command.args(["--user", &format!("{uid}:{gid}")]);
    }
    command.arg("--").args(&program.command);
    command.env_clear().envs(environment.iter());
    command
}

async fn attend(
    command: Command,
    doors: Vec<Door>,
    directory: OwnedFd,
) -> Result<u8, IsolationError> {
    let mut told = signals::catch().map_err(IsolationError::Attend)?;
    let directory = Arc::new(directory);
    for door in doors {
        relay::serve(door, Arc::clone(&directory)).map_err(IsolationError::Attend)?;
    }
    let spawned = tokio::process::Command::from(command).spawn();
    let mut first: Child = spawned.map_err(IsolationError::First)?;
    let pid = first.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    loop {
        tokio::select! {
            ended = first.wait() => {
                let ended = ended.map_err(IsolationError::Attend)?;
                return Ok(exit_code(ended.code(), ended.signal()).unwrap_or(u8::MAX));
            }
            Some(signal) = told.recv() => {
                if let Some(pid) = pid {
                    signals::to_first(pid, signal);
                }
            }
        }
    }
}
