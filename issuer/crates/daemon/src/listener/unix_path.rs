//! Unix socket paths that do not fit into a socket address.
//!
//! `sun_path` holds 108 bytes with its terminator (unix(7)), while the directory of a
//! sandbox is often longer. The directory is then opened and the socket named through
//! `/proc/self/fd`, which is short whatever the directory is called.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The most bytes of a path in `sockaddr_un`, without the terminator.
const MAX_SUN_PATH: usize = 107;

/// A name for a socket path that fits; valid for as long as this value lives.
pub(crate) struct ShortPath {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl ShortPath {
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().len() <= MAX_SUN_PATH {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(parent, flags, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        Ok(Self { path, _directory: Some(directory) })
    }

    pub(crate) fn as_path(&self) -> &Path {
        &self.path
    }
}
