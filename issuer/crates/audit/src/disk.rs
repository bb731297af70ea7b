//! What the writer needs of a disk, and the real one.
//!
//! Two small traits stand between the writer and the disk, so that tests can put one there that is full,
//! that fails or that hangs.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use crate::directory::{RESERVE, sync};

/// Bytes of zeros written at a time where the file system cannot set bytes aside by itself.
const ZEROS: usize = 64 * 1024;

/// A directory of log files.
pub(crate) trait Volume: Send + fmt::Debug + 'static {
    /// Makes a file that is not there, or is there and empty. It survives power loss from then on.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn LogFile>>;

    /// Opens a file to go on at its end.
    fn open(&mut self, name: &str) -> io::Result<Box<dyn LogFile>>;

    /// Sets bytes aside and writes one of them; fails where the disk has not so many left, or takes none.
    fn reserve(&mut self, bytes: u64) -> io::Result<()>;

    /// Gives the bytes set aside back to the disk.
    fn release(&mut self) -> io::Result<()>;
}

/// A file that grows at its end.
pub(crate) trait LogFile: Send + fmt::Debug {
    /// Adds bytes. After an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the disk has everything, and it is still found by its name. After an error it is not asked again: what the kernel could
    /// not write it may have forgotten, and would then report success.
    fn sync(&mut self) -> io::Result<()>;

    /// Removes everything after this length.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// The last bytes, at most this many.
    fn tail(&mut self, bytes: u64) -> io::Result<Vec<u8>>;
}

/// A directory of this machine.
#[derive(Debug)]
pub(crate) struct DiskVolume {
    directory: PathBuf,
}

impl DiskVolume {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

fn private() -> OpenOptions {
    let mut options = File::options();
    options.read(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

impl Volume for DiskVolume {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let path = self.directory.join(name);
        // One that was made and never written, before a crash or a full disk.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == 0) {
            fs::remove_file(&path)?;
        }
        let file = private().append(true).create_new(true).open(&path)?;
        file.sync_all()?;
        sync(&self.directory)?;
        Ok(Box::new(DiskFile::at(path, file)?))
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let path = self.directory.join(name);
        let file = private().append(true).open(&path)?;
        Ok(Box::new(DiskFile::at(path, file)?))
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let path = self.directory.join(RESERVE);
        let file = private().write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes.max(1)) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&file, bytes)?,
            Err(error) => return Err(error.into()),
        }
        file.set_len(bytes)?;
        // A disk that fails may still set aside what it would not write.
        file.write_all_at(&[0], 0)?;
        file.sync_all()?;
        sync(&self.directory)
    }

    fn release(&mut self) -> io::Result<()> {
        let path = self.directory.join(RESERVE);
        let file = private().write(true).open(path)?;
        file.set_len(0)?;
        // Some file systems give blocks back only once the change is on disk.
        file.sync_all()
    }
}

fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let mut left = bytes;
    while left > 0 {
        let piece = zeros.get(..usize::try_from(left).unwrap_or(ZEROS).min(ZEROS));
        let piece = piece.unwrap_or_default();
        file.write_all(piece)?;
        left = left.saturating_sub(piece.len() as u64);
    }
    Ok(())
}

#[derive(Debug)]
struct DiskFile {
    file: File,
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

impl DiskFile {
    fn at(path: PathBuf, file: File) -> io::Result<Self> {
        let found = file.metadata()?;
        let identity = (found.dev(), found.ino());
        Ok(Self { file, path, identity })
    }

    /// Whoever moves or removes the file under us would have the records go where nobody looks.
    fn is_in_its_place(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}

impl LogFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.is_in_its_place() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the file was moved or removed"))
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn tail(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        let length = self.file.metadata()?.len();
        self.file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut tail = Vec::new();
        self.file.read_to_end(&mut tail)?;
        Ok(tail)
    }
}
