//! `/dev` with nothing in it that could hold somebody else's data: no disk, no memory, no terminal of others.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::Mode;
use rustix::mount::{MountFlags, mount, mount_remount};

use super::IsolationError;
use super::mounts::{hold, put};
use super::plan::Shown;

/// What every program expects. None of them remembers anything.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Names that lead to a process's own descriptors.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Replaces `/dev`.
pub(super) fn replace() -> Result<(), IsolationError> {
    let shown = DEVICES.map(|name| {
        let path = Path::new("/dev").join(name);
        Shown { from: path.clone(), at: path, is_in_cover: true, is_own: true }
    });
    let held: Result<Vec<_>, _> = shown.iter().map(hold).collect();
    let held = held?;
    let plain = MountFlags::NOSUID | MountFlags::NOEXEC;
    let own = |path, kind, options| {
        mount(kind, path, kind, plain, options).map_err(IsolationError::mount("replaced", path))
    };
    // A device can be opened through a mount of its own, which has the flags of the host's.
    own("/dev", "tmpfs", c"size=64k,mode=0755")?;
    let before = rustix::process::umask(Mode::empty());
    let filled = fill();
    rustix::process::umask(before);
    filled.map_err(|source| IsolationError::Mount {
        what: "filled",
        path: "/dev".into(),
        source,
    })?;
    for (shown, held) in shown.iter().zip(&held) {
        put(held, &shown.at)?;
    }
    own("/dev/pts", "devpts", c"newinstance,ptmxmode=0666,mode=0620")?;
    own("/dev/shm", "tmpfs", c"mode=1777")?;
    let closed = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NODEV | plain;
    mount_remount("/dev", closed, c"").map_err(IsolationError::mount("closed to writing", "/dev"))
}

fn fill() -> io::Result<()> {
    for name in DEVICES {
        fs::write(Path::new("/dev").join(name), "")?;
    }
    for name in ["/dev/pts", "/dev/shm"] {
        fs::create_dir(name)?;
    }
    LINKS.iter().try_for_each(|(to, link)| symlink(to, link))
}
