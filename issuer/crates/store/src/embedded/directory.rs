//! The directory of a store: private, and itself on disk.
//!
//! ```text
//! LOCK          held by the process that uses the store
//! IDENTITY      which store this is, and the key of its checksums
//! CATALOGUE     which records there must be
//! keys/         each record that holds a private key, once more
//! snapshots/    copies of everything, made when keys change
//! sled/         everything sled writes
//! RECOVERY.age  the seal keys, encrypted to who may recover them (`recovery`)
//! ```
//!
//! A directory that others may enter is refused with the command that mends it: someone may have
//! opened it on purpose, and whoever could enter may have copied keys. sled makes its files with
//! mode 0644 whenever it likes, so those are made private here, which nobody can have relied on
//! behind a private directory.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::open::OpenError;

/// The name of the recovery copy.
pub(super) const RECOVERY: &str = "RECOVERY.age";

/// Group and other, all of their bits.
const OTHERS: u32 = 0o077;

/// The end of the name of a sled snapshot that is not finished.
const UNFINISHED: &str = ".generating";

/// A directory that was made or found private.
#[derive(Debug)]
pub(super) struct StoreDirectory {
    root: PathBuf,
}

impl StoreDirectory {
    /// Makes the directory and its missing parents with mode 0700, or accepts a private one.
    pub(super) fn prepare(root: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: root.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed)?;
        let mode = fs::metadata(root).map_err(failed)?.permissions().mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(OpenError::Modes { path: root.to_owned(), mode });
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The lock file.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    /// The directory itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Which store it is.
    pub(super) fn identity(&self) -> PathBuf {
        self.root.join("IDENTITY")
    }

    /// Which records there must be.
    pub(super) fn catalogue(&self) -> PathBuf {
        self.root.join("CATALOGUE")
    }

    /// Where records that hold private keys are kept once more.
    pub(super) fn secrets(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Where copies of everything are kept.
    pub(super) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Whether there is anything a store has beside its lock and identity.
    pub(super) fn holds_anything(&self) -> Result<bool, OpenError> {
        let kept = [self.catalogue(), self.secrets(), self.snapshots(), self.sled()];
        for path in kept {
            match fs::symlink_metadata(&path) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(OpenError::Io { path, source }),
            }
        }
        Ok(false)
    }

    /// sled's own directory.
    pub(super) fn sled(&self) -> PathBuf {
        self.root.join("sled")
    }

    /// The file sled appends to.
    pub(super) fn log(&self) -> PathBuf {
        self.sled().join("db")
    }

    /// Removes snapshots that sled had not finished when it was killed. sled takes such a file for
    /// its newest snapshot and then refuses to open; the finished one before it is still there.
    pub(super) fn remove_unfinished(&self) -> Result<(), OpenError> {
        let sled = self.sled();
        if !sled.exists() {
            return Ok(());
        }
        for path in children(&sled)? {
            if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(UNFINISHED)) {
                fs::remove_file(&path).map_err(|source| OpenError::Io { path, source })?;
            }
        }
        Ok(())
    }

    /// Makes everything in the directory private and syncs it, up to the entry of the directory in
    /// its parent: before this, power loss may take files that sled made, however often their bytes
    /// were synced.
    pub(super) fn settle(&self) -> Result<(), OpenError> {
        settle(&self.root)?;
        let parent = self.root.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        sync(parent).map_err(|source| OpenError::Io { path: parent.to_owned(), source })
    }
}

fn settle(directory: &Path) -> Result<(), OpenError> {
    for path in children(directory)? {
        let failed = |source| OpenError::Io { path: path.clone(), source };
        let found = fs::symlink_metadata(&path).map_err(failed)?;
        if found.is_symlink() {
            continue;
        }
        if found.permissions().mode() & OTHERS != 0 {
            let mode = if found.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed)?;
        }
        if found.is_dir() {
            settle(&path)?;
        } else {
            sync(&path).map_err(failed)?;
        }
    }
    sync(directory).map_err(|source| OpenError::Io { path: directory.to_owned(), source })
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|source| OpenError::Io { path: directory.to_owned(), source })
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
