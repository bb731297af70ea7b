//! Making the file of a key-encryption key, once.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Writes a new key to a file that does not exist yet. Gives whether it did: a file that is there is never
/// touched, since records may need it.
pub(crate) fn make_key_file(path: &Path) -> io::Result<bool> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut *key).map_err(io::Error::other)?;
    write_key_file(path, &key)
}

/// The same with a key that there is: as hexadecimal digits, for its owner alone, on disk when this returns.
pub(super) fn write_key_file(path: &Path, key: &[u8; KEY_BYTES]) -> io::Result<bool> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    };
    let written = write(file, key);
    if written.is_err() {
        // Half a key would be taken for one that somebody damaged.
        std::fs::remove_file(path).ok();
    }
    written?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(true)
}

fn write(mut file: File, key: &[u8; KEY_BYTES]) -> io::Result<()> {
    // Room for all of it: a text that grows leaves copies of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(KEY_BYTES * 2 + 1));
    for byte in key {
        // Writing to a String cannot fail.
        write!(*text, "{byte:02x}").ok();
    }
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
