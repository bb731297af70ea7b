//! Carries a plan out, in a mount namespace of its own that nothing spreads out of.
//!
//! What is shown again is taken hold of first, by `open_tree`, then everything is covered, then it is put in its place:
//! at no moment is there a path to what is hidden that was not there before.

use std::fs::{self, DirBuilder};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
    mount_remount, move_mount, open_tree,
};

use super::IsolationError;
use super::plan::{Cover, Plan, Shown};

/// Neither programs with privileges nor devices.
const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// What is made for the program to look through, not to enter by another name.
const DIRECTORY_MODE: u32 = 0o755;

/// Cuts this mount namespace off from the host's, both ways.
pub(super) fn cut_off() -> Result<(), IsolationError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(IsolationError::mount("made private", "/"))
}

/// Mounts what the plan says. Gives the sandbox's own directory as the program has it.
pub(super) fn carry_out(plan: &Plan, own_at: &Path) -> Result<OwnedFd, IsolationError> {
    let held: Result<Vec<_>, _> = plan.shown.iter().map(hold).collect();
    let held = held?;
    for cover in &plan.covers {
        empty(cover)?;
    }
    for (shown, held) in plan.shown.iter().zip(&held) {
        show(shown, held)?;
    }
    for cover in plan.covers.iter().filter(|cover| !cover.is_writable) {
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOEXEC | PLAIN;
        mount_remount(&cover.directory, flags, c"")
            .map_err(IsolationError::mount("closed to writing", &cover.directory))?;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(own_at, flags, Mode::empty()).map_err(IsolationError::mount("opened", own_at))
}

/// A copy of what is mounted there, in nobody's sight. The path was judged with its links resolved: one that has come into
/// it since is refused.
pub(super) fn hold(shown: &Shown) -> Result<OwnedFd, IsolationError> {
    let failed = |error| IsolationError::mount("taken hold of", &shown.from)(error);
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(CWD, &shown.from, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let found = found.map_err(failed)?;
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if !shown.is_own {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(&found, "", flags).map_err(failed)
}

/// Puts it in its place.
pub(super) fn put(held: &OwnedFd, at: &Path) -> Result<(), IsolationError> {
    move_mount(held, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(IsolationError::mount("shown", at))
}

fn empty(cover: &Cover) -> Result<(), IsolationError> {
    let (flags, options) = if cover.is_writable {
        (PLAIN, c"mode=1777")
    } else {
        (PLAIN | MountFlags::NOEXEC, c"size=4k,mode=0755")
    };
    mount("tmpfs", &cover.directory, "tmpfs", flags, options)
        .map_err(IsolationError::mount("hidden", &cover.directory))
}

fn show(shown: &Shown, held: &OwnedFd) -> Result<(), IsolationError> {
    if shown.is_in_cover {
        make_place(shown, held)?;
    }
    put(held, &shown.at)?;
    if shown.is_own {
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOEXEC | PLAIN;
        mount_remount(&shown.at, flags, c"")
            .map_err(IsolationError::mount("closed to writing", &shown.at))?;
    }
    Ok(())
}

fn make_place(shown: &Shown, held: &OwnedFd) -> Result<(), IsolationError> {
    let failed =
        |source| IsolationError::Mount { what: "given a place", path: shown.at.clone(), source };
    let directory =
        |path: &Path| DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    // The umask keeps others out, and the program is one of them.
    let before = rustix::process::umask(Mode::from_bits_truncate(0o022));
    // Under its own name it is covered by now.
    let kind = rustix::fs::fstat(held).map(|found| FileType::from_raw_mode(found.st_mode));
    let is_directory = kind.is_ok_and(|kind| kind == FileType::Directory);
    let made = if is_directory {
        directory(&shown.at)
    } else {
        shown.at.parent().map_or(Ok(()), directory).and_then(|()| fs::write(&shown.at, ""))
    };
    rustix::process::umask(before);
    made.map_err(failed)
}
