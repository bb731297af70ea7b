//! Opening a log to go on writing it.
//!
//! The last file is walked whole, and its first line compared with the end of the file before; the older
//! files are for [`verify`](crate::verify), so that a long log does not delay the start. A last line
//! without its end was never acknowledged: it is moved to a file beside, and the chain goes on before it.
//! Anything else that does not fit refuses the start.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use moneyer_identity::UnixTime;
use moneyer_recording::{MAXIMUM_LINE_BYTES, Sequence};

use crate::chain::{Head, LineHash};
use crate::directory::{self, DirectoryError, LOCK, file_name};
use crate::disk::{DiskVolume, Volume};
use crate::line;
use crate::read::{ReadError, Records};
use crate::verify::{Damage, Finding, Walk};
use crate::writer::{Current, last_line};

/// Sides files of one name that are kept; more mean that something else is wrong.
const MAXIMUM_TORN: usize = 1000;

/// Why a log is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("the audit log's directory cannot be used")]
    Directory(#[source] DirectoryError),
    /// Another process writes it.
    #[error("{} is held by another process; stop it first, or give this one its own directory", _0.display())]
    Held(PathBuf),
    /// The system refused something.
    #[error("cannot use {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The chain is broken.
    #[error(
        "the audit log is damaged; look with `audit verify`, and move the directory away to begin a new log"
    )]
    Damaged(#[source] Damage),
    /// The thread that writes could not be started.
    #[error("the audit log's thread could not be started")]
    Thread(#[source] io::Error),
}

impl OpenError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether what was written is at fault, and not the machine.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }
}

/// Held as long as this value lives: one process writes a log.
#[derive(Debug)]
pub(crate) struct LogLock(File);

impl Drop for LogLock {
    /// Closing the file is not enough: a program that is being started elsewhere in this process has a duplicate of every
    /// descriptor until it is executed, and `flock` holds as long as any is open, unless one lets go of it.
    fn drop(&mut self) {
        self.0.unlock().ok();
    }
}

/// A log that is ready to be written.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) volume: DiskVolume,
    pub(crate) current: Current,
    pub(crate) head: Head,
    pub(crate) lock: LogLock,
    /// When a record was last made by a clock that was sound, in the last file.
    pub(crate) sound_at: Option<UnixTime>,
}

/// Finds the end of the log in a directory, or begins one.
pub(crate) fn open(path: &Path) -> Result<Opened, OpenError> {
    directory::prepare(path).map_err(OpenError::Directory)?;
    let lock = lock(&path.join(LOCK))?;
    let files = directory::files(path).map_err(|error| OpenError::io(path, error))?;
    let mut volume = DiskVolume::new(path.to_owned());
    let Some((first, last)) = files.last().cloned() else {
        let name = file_name(Sequence(1));
        let file = volume.create(&name).map_err(|error| OpenError::io(&path.join(&name), error))?;
        let current = Current { name, file, length: 0 };
        return Ok(Opened { volume, current, head: Head::default(), lock, sound_at: None });
    };
    let before = files.len().checked_sub(2).and_then(|at| files.get(at));
    let head = match before {
        Some((_, path)) => end_of(path)?,
        None => before_first(first, &last)?,
    };
    let (head, length, sound_at) = walk(first, &last, head)?;
    let name = file_name(first);
    let file = volume.open(&name).map_err(|error| OpenError::io(&last, error))?;
    let current = Current { name, file, length };
    Ok(Opened { volume, current, head, lock, sound_at })
}

fn lock(path: &Path) -> Result<LogLock, OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| OpenError::io(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(LogLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::io(path, error)),
    }
}

/// The head after the last line of a file that is followed by another.
fn end_of(path: &Path) -> Result<Head, OpenError> {
    let failed = |error| OpenError::io(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut tail = Vec::new();
    let longest = MAXIMUM_LINE_BYTES as u64 + 2;
    file.seek(SeekFrom::Start(length.saturating_sub(longest))).map_err(failed)?;
    file.read_to_end(&mut tail).map_err(failed)?;
    let no_end = || ReadError::NoEnd { path: path.to_owned(), line: lines_of(path) + 1 };
    let bytes = last_line(&tail).ok_or_else(|| OpenError::Damaged(Damage::Read(no_end())))?;
    let link = line::link(bytes).map_err(|error| {
        OpenError::Damaged(Damage::Line {
            path: path.to_owned(),
            line: lines_of(path),
            finding: Finding::Line(error),
        })
    })?;
    Ok(Head { sequence: link.sequence, hash: LineHash::of(bytes) })
}

/// How many line ends a file has: to name a line of one that is refused anyway.
fn lines_of(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').count().saturating_sub(1) as u64
}

/// The head before the first file that is there: older ones may have been moved away.
fn before_first(first: Sequence, path: &Path) -> Result<Head, OpenError> {
    let sequence = Sequence(first.0.saturating_sub(1));
    if sequence.0 == 0 {
        return Ok(Head::default());
    }
    let mut records = Records::of_files(vec![(first, path.to_owned())]);
    match records.next() {
        Some(Ok(record)) => {
            // A line that is none is found when it is walked.
            let link = line::link(&record.bytes);
            let hash = link.map(|link| link.previous).unwrap_or_default();
            Ok(Head { sequence, hash })
        }
        Some(Err(error)) => Err(OpenError::Damaged(Damage::Read(error))),
        // Without a line there is nothing that says what came before.
        None => Err(OpenError::Damaged(Damage::Line {
            path: path.to_owned(),
            line: 1,
            finding: Finding::CutOff(first),
        })),
    }
}

/// Walks a file to its end; gives the head there, the length of what is whole, and when a record was
/// last made by a sound clock.
fn walk(
    first: Sequence,
    path: &Path,
    head: Head,
) -> Result<(Head, u64, Option<UnixTime>), OpenError> {
    let damaged =
        |line, finding| OpenError::Damaged(Damage::Line { path: path.to_owned(), line, finding });
    let due = Sequence(head.sequence.0.saturating_add(1));
    if first != due {
        return Err(damaged(1, Finding::Sequence { expected: due, found: first }));
    }
    let mut records = Records::of_files(vec![(first, path.to_owned())]);
    let mut walk = Walk::after(head);
    let mut sound = None;
    for record in records.by_ref() {
        let record = record.map_err(|error| OpenError::Damaged(Damage::Read(error)))?;
        walk.step(&record).map_err(|finding| damaged(record.line, finding))?;
        if line::has_sound_time(&record.bytes) {
            sound = Some(record.bytes);
        }
    }
    let length = records.bytes().saturating_sub(records.unfinished());
    if records.unfinished() > 0 {
        set_aside(path, length).map_err(|error| OpenError::io(path, error))?;
    }
    Ok((walk.head(), length, sound.and_then(|bytes| line::time(&bytes))))
}

/// Moves what stands behind a file's last line end to a file beside it.
fn set_aside(path: &Path, length: u64) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut torn = Vec::new();
    file.seek(SeekFrom::Start(length))?;
    file.read_to_end(&mut torn)?;
    let (beside, mut aside) = side_file(path)?;
    aside.write_all(&torn)?;
    aside.sync_all()?;
    directory::sync(path.parent().unwrap_or(Path::new(".")))?;
    file.set_len(length)?;
    file.sync_all()?;
    tracing::warn!(
        audit.file = %path.display(),
        audit.torn = %beside.display(),
        audit.bytes = torn.len(),
        "the audit log ended within a line, which was never acknowledged; it was moved aside"
    );
    Ok(())
}

fn side_file(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    for number in 0..MAXIMUM_TORN {
        let end = if number == 0 { ".torn".to_owned() } else { format!(".torn.{number}") };
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match options.open(&name) {
            Ok(file) => return Ok((name.into(), file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
