//! What a caller left open: a descriptor is a way around every namespace, so the program gets none but its three.

use std::fs;

use nix::errno::Errno;

use super::IsolationError;

/// Closes every descriptor from 3 on. Must run before anything is opened that is needed later.
pub(crate) fn close_inherited() -> Result<(), IsolationError> {
    let listed = fs::read_dir("/proc/self/fd").map_err(IsolationError::Descriptors)?;
    let names: Result<Vec<_>, _> =
        listed.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let names = names.map_err(IsolationError::Descriptors)?;
    let numbers = names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > 2) {
        match nix::unistd::close(number) {
            // The one the list was read through is closed by now.
            Ok(()) | Err(Errno::EBADF) => {}
            Err(error) => return Err(IsolationError::Descriptors(error.into())),
        }
    }
    Ok(())
}
