//! Copies in a directory that a web server has for its root.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_daemon::file::write_atomic;
use tokio::sync::Semaphore;

use super::error::PublishError;
use crate::documents::PlacedDocument;

/// Everybody may read what is published.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// A directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: PathBuf,
    /// One copy at a time: a file system that hangs costs one thread, and whoever comes next waits for it as
    /// long as for a copy.
    turn: Arc<Semaphore>,
}

impl Directory {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, turn: Arc::new(Semaphore::new(1)) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes documents in their order.
    pub(super) async fn put_all(&self, documents: &[PlacedDocument]) -> Result<(), PublishError> {
        let turn = self.turn.clone().acquire_owned().await;
        let (directory, documents) = (self.clone(), documents.to_vec());
        let written = tokio::task::spawn_blocking(move || {
            let written = documents.iter().try_for_each(|placed| directory.put(placed));
            drop(turn);
            written
        });
        written.await.map_err(PublishError::Interrupted)?
    }

    /// Writes a document, unless the file holds it already: whoever mirrors the directory sees changes
    /// alone.
    fn put(&self, placed: &PlacedDocument) -> Result<(), PublishError> {
        if !self.root.is_dir() {
            return Err(PublishError::NoDirectory(self.root.clone()));
        }
        let relative = Path::new(placed.path.trim_start_matches('/'));
        let path = self.root.join(relative);
        self.write(relative, placed.document.body())
            .map_err(|source| PublishError::Write { path, source })
    }

    fn write(&self, relative: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(relative);
        if fs::read(&path).is_ok_and(|present| present == bytes) {
            return Ok(());
        }
        let mut directory = self.root.clone();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            directory.push(part);
            make(&directory)?;
        }
        write_atomic(&path, bytes, FILE_MODE)
    }
}

/// Makes a directory that everybody may read, whatever the umask.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
