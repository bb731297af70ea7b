//! Reading the text of a settings file, whatever the path turns out to be.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// The most bytes of a settings file: some thousand times the largest honest one.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads the file; the error says what is wrong with it as a whole.
pub(super) fn read(path: &Path) -> Result<String, String> {
    // NONBLOCK: opening a FIFO must not hang.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| unreadable(&error))?;
    let found = file.metadata().map_err(|error| unreadable(&error))?;
    if found.is_dir() {
        return Err("this is a directory; name the file in it".to_owned());
    }
    if !found.is_file() {
        return Err("this is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    (&file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("the file is larger than {MAX_BYTES} bytes; is it the right one?"));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("the file begins with a byte order mark; save it without one".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read the file".to_owned(),
        _ => format!("the file cannot be read: {error}"),
    }
}
