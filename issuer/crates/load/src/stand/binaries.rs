//! Where the programs under load are.

use std::path::{Path, PathBuf};

/// Why there is nothing to measure.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// Not built.
    #[error(
        "there is no {name} in {}; build it with `cargo build --release --bin {name}` or say where \
         it is with --bin-dir", .directory.display()
    )]
    Missing {
        /// The program.
        name: &'static str,
        /// Where it was looked for.
        directory: PathBuf,
    },
}

/// A directory with the programs under load.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// The directory given, else the one this program is in, else the present one.
    pub fn in_directory(given: Option<&Path>) -> Self {
        let own = || std::env::current_exe().ok()?.parent().map(Path::to_owned);
        Self(given.map(Path::to_owned).or_else(own).unwrap_or_default())
    }

    /// The path of the coordinator.
    pub fn moneyer(&self) -> Result<PathBuf, BinaryError> {
        self.find("moneyer")
    }

    /// The path of the runner proxy.
    pub fn moneyer_runner_proxy(&self) -> Result<PathBuf, BinaryError> {
        self.find("moneyer-runner-proxy")
    }

    fn find(&self, name: &'static str) -> Result<PathBuf, BinaryError> {
        let path = self.0.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(BinaryError::Missing { name, directory: self.0.clone() })
    }
}

/// nginx, if the system has it.
pub(super) fn nginx() -> Option<PathBuf> {
    // Debian keeps it out of the PATH of ordinary users.
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_binary_is_said_with_the_way_to_get_it() {
        let directory = tempfile::tempdir().unwrap();
        let binaries = Binaries::in_directory(Some(directory.path()));
        let error = binaries.moneyer().unwrap_err().to_string();
        assert!(error.contains("cargo build --release --bin moneyer"), "{error}");
        assert!(error.contains(&directory.path().display().to_string()), "{error}");
        std::fs::write(directory.path().join("moneyer"), "").unwrap();
        assert_eq!(binaries.moneyer().unwrap(), directory.path().join("moneyer"));
    }
}
