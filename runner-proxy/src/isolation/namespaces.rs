//! The namespaces of a program, made while this process has one thread.
//!
//! `unshare` changes the thread that calls it and no other, so a process with several would be half inside. The
//! kernel refuses that for a user namespace; here it is refused for all.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;

use super::IsolationError;
use super::user::Account;

/// Separates this process: its mounts, its future children's processes, messages and host name, and its network where
/// that is asked for. Whoever is not root gets a user namespace with itself alone in it.
pub(super) fn separate(
    account: &Account,
    is_root: bool,
    private_network: bool,
) -> Result<(), IsolationError> {
    check_single_thread()?;
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    flags.set(CloneFlags::CLONE_NEWNET, private_network);
    flags.set(CloneFlags::CLONE_NEWUSER, !is_root);
    make(flags)?;
    if is_root { Ok(()) } else { map(account) }
}

/// Separates this process's mounts once more.
pub(super) fn separate_mounts() -> Result<(), IsolationError> {
    make(CloneFlags::CLONE_NEWNS)
}

fn make(flags: CloneFlags) -> Result<(), IsolationError> {
    unshare(flags)
        .map_err(|error| IsolationError::Namespaces(Errno::from_raw_os_error(error as i32)))
}

/// The one user and the one group, under the numbers they have outside.
fn map(account: &Account) -> Result<(), IsolationError> {
    let Account { uid, gid, .. } = account;
    // No group can be given up to get past a file that excludes it (user_namespaces(7)).
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| IsolationError::Map(file, error))?;
    }
    Ok(())
}

fn check_single_thread() -> Result<(), IsolationError> {
    let threads = fs::read_dir("/proc/self/task").map_err(IsolationError::Attend)?.count();
    if threads == 1 {
        return Ok(());
    }
    let several = io::Error::other(format!("this process has {threads} threads"));
    Err(IsolationError::Attend(several))
}
