//! A file that the operator names on the command line, read up to a limit.
//!
//! Only public halves are taken from it, so that it may be open to others. What is read is forgotten like
//! a secret all the same, since it may be a private key.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use moneyer_daemon::file::SecretBytes;

/// The bytes of a file, and of a longer one a byte more than the limit, so that its length is told.
pub(crate) fn read_named(path: &Path, maximum: usize) -> io::Result<SecretBytes> {
    let most = maximum.saturating_add(1);
    // Room for all of it: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(most);
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(SecretBytes::new(bytes))
}
