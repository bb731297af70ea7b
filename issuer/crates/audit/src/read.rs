//! Reading a log, line by line, without disturbing whoever writes it.
//!
//! The files are those that are there when reading begins. What stands behind the last line end of the
//! last file is a line that is being written, or one that was cut off; it is counted and not handed out.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use moneyer_recording::{MAXIMUM_LINE_BYTES, Sequence};

use crate::directory;

/// Bytes read from a file at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused something.
    #[error("cannot read {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line is longer than any that is written.
    #[error("{}:{line}: the line is longer than {MAXIMUM_LINE_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The number of the line in it, from 1.
        line: u64,
    },
    /// A file other than the last does not end with a line end.
    #[error("{}:{line}: the line has no end", path.display())]
    NoEnd {
        /// The file.
        path: PathBuf,
        /// The number of the line in it, from 1.
        line: u64,
    },
}

/// A line and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which file, by its place among those that are read.
    pub(crate) file: usize,
    /// The number of the line in its file, from 1.
    pub(crate) line: u64,
    /// Its bytes without the line end.
    pub bytes: Vec<u8>,
}

/// Every line of a log, in order.
#[derive(Debug)]
pub struct Records {
    files: Vec<(Sequence, PathBuf)>,
    open: Option<BufReader<File>>,
    next_file: usize,
    line: u64,
    unfinished: u64,
    bytes: u64,
}

impl Records {
    /// Of the log in a directory.
    pub fn of(directory: &Path) -> Result<Self, ReadError> {
        let files = directory::files(directory);
        let files = files.map_err(|source| ReadError::Io { path: directory.to_owned(), source })?;
        Ok(Self::of_files(files))
    }

    pub(crate) fn of_files(files: Vec<(Sequence, PathBuf)>) -> Self {
        Self { files, open: None, next_file: 0, line: 0, unfinished: 0, bytes: 0 }
    }

    /// How many bytes all files have.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let length = |(_, path): &(_, PathBuf)| path.metadata().map_or(0, |found| found.len());
        self.files.iter().map(length).sum()
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes behind the last line end of the last file, once it is read.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// The files, each with the number of its first line.
    pub(crate) fn files(&self) -> &[(Sequence, PathBuf)] {
        &self.files
    }

    pub(crate) fn path(&self, file: usize) -> PathBuf {
        self.files.get(file).map(|(_, path)| path.clone()).unwrap_or_default()
    }

    /// Leaves out the files that end before this line.
    pub(crate) fn skip_to(&mut self, from: Sequence) {
        let begun = self.files.iter().take_while(|(first, _)| *first <= from).count();
        self.next_file = begun.saturating_sub(1);
    }

    fn read(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            if self.open.is_none() {
                let Some((_, path)) = self.files.get(self.next_file) else { return Ok(None) };
                let file = File::open(path)
                    .map_err(|source| ReadError::Io { path: path.clone(), source })?;
                self.open = Some(BufReader::with_capacity(BUFFER_BYTES, file));
                self.next_file += 1;
                self.line = 0;
            }
            if let Some(record) = self.read_line()? {
                return Ok(Some(record));
            }
            self.open = None;
        }
    }

    fn read_line(&mut self) -> Result<Option<Record>, ReadError> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let file = self.next_file.saturating_sub(1);
        let path = || self.files.get(file).map(|(_, path)| path.clone()).unwrap_or_default();
        let mut bytes = Vec::new();
        let read = open.take(MAXIMUM_LINE_BYTES as u64 + 1).read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| ReadError::Io { path: path(), source })?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        let line = self.line + 1;
        if bytes.pop_if(|last| *last == b'\n').is_some() {
            self.line = line;
            return Ok(Some(Record { file, line, bytes }));
        }
        if read > MAXIMUM_LINE_BYTES {
            return Err(ReadError::TooLong { path: path(), line });
        }
        if self.next_file < self.files.len() {
            return Err(ReadError::NoEnd { path: path(), line });
        }
        self.unfinished = read as u64;
        Ok(None)
    }
}

impl Iterator for Records {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
