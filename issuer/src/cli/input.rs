//! Texts that a command is given: from a file, or from standard input.

use std::io::Read as _;
use std::path::Path;

use crate::cli::failure::Failure;

/// As much of a file as may be of use; `-` is standard input. A longer one is cut, and then is not what it
/// was to be.
pub(super) fn text(file: &Path, limit: u64) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::of(&format!("cannot read {}", file.display()), &error))?;
    Ok(text)
}
