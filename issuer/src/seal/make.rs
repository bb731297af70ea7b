//! Making the file of a key-encryption key, once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use moneyer_store::seal::KeyEncryptionKey;
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Writes a new key to a file that does not exist yet. Gives whether it did: a file that is there is never
/// touched, since records may need it.
pub(crate) fn make_key_file(path: &Path) -> io::Result<bool> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(io::Error::other)?;
    write_key_file(path, &KeyEncryptionKey::from_bytes(*bytes).map_err(io::Error::other)?)
}

/// The same with a key that there is: as hexadecimal digits, for its owner alone, on disk when this returns.
pub(super) fn write_key_file(path: &Path, key: &KeyEncryptionKey) -> io::Result<bool> {
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

fn write(mut file: File, key: &KeyEncryptionKey) -> io::Result<()> {
    file.write_all(key.hex_line().as_bytes())?;
    file.sync_all()
}
