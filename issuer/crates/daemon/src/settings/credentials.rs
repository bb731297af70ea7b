//! Where systemd puts credentials.

use std::path::PathBuf;

/// The directory of credentials that systemd made for this daemon (`systemd.exec(5)`), if it made one.
#[must_use]
pub fn credentials_directory() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?);
    directory.is_absolute().then_some(directory)
}
