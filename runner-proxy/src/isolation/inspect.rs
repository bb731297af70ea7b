//! What a process has that a sandbox should not have: for those that a container runtime started.
//!
//! Looks from outside, as root, by `/proc`. Paths are looked up as they are on the host: what is mounted under
//! another name is not found. No finding is no proof.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Hidden;
use super::environment::{carries_authority, lines};

/// One thing that it should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A namespace of whoever looks.
    Shared(&'static str),
    /// A directory of the runner proxy's.
    Sees {
        /// The key that names it.
        key: &'static str,
        /// Where it lies.
        path: PathBuf,
    },
    /// A variable, by its name.
    Variable(String),
    /// It runs as root.
    Root,
    /// It has capabilities.
    Capabilities,
    /// A program that it starts may give it some.
    MayGain,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(what) => write!(f, "it shares the host's {what}"),
            Self::Sees { key, path } => write!(f, "it sees {key} ({})", path.display()),
            Self::Variable(name) => write!(f, "{name} is in its environment"),
            Self::Root => f.write_str("it runs as root"),
            Self::Capabilities => f.write_str("it has capabilities"),
            Self::MayGain => {
                f.write_str("programs that it starts may gain privileges (no_new_privs)")
            }
        }
    }
}

/// Looks at a process. `own_variables` is the text of its sandbox's file `env`.
pub(crate) fn inspect(
    pid: u32,
    hidden: &[Hidden],
    own_variables: &str,
) -> io::Result<Vec<Finding>> {
    let at = PathBuf::from(format!("/proc/{pid}"));
    let mut findings = Vec::new();
    for (kind, what) in [("net", "network"), ("pid", "processes"), ("mnt", "mounts")] {
        let space = |process: &Path| fs::read_link(process.join("ns").join(kind));
        if space(&at)? == space(Path::new("/proc/self"))? {
            findings.push(Finding::Shared(what));
        }
    }
    for Hidden { key, directory } in hidden {
        if is_seen(&at.join("root"), directory) {
            let seen = Finding::Sees { key, path: directory.clone() };
            if !findings.contains(&seen) {
                findings.push(seen);
            }
        }
    }
    findings.extend(variables(&fs::read(at.join("environ"))?, own_variables));
    findings.extend(privileges(&fs::read_to_string(at.join("status"))?));
    Ok(findings)
}

/// Whether the same directory is there under the same path.
fn is_seen(root: &Path, directory: &Path) -> bool {
    let inside = root.join(directory.strip_prefix("/").unwrap_or(directory));
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    identity(&inside).is_some_and(|seen| identity(directory) == Some(seen))
}

/// Variables that carry authority and are not its sandbox's.
fn variables(environ: &[u8], own: &str) -> Vec<Finding> {
    let own = lines(own);
    let names = environ.split(|byte| *byte == 0).filter_map(|variable| {
        let name = variable.split(|byte| *byte == b'=').next()?;
        OsStr::from_bytes(name).to_str()
    });
    let is_foreign =
        |name: &&str| carries_authority(name) && !own.iter().any(|(own, _)| own == name);
    names.filter(is_foreign).map(|name| Finding::Variable(name.to_owned())).collect()
}

/// What `/proc/PID/status` says of it.
fn privileges(status: &str) -> Vec<Finding> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_start_matches(':').trim())
    };
    let is_root = field("Uid").is_some_and(|ids| ids.split_whitespace().any(|id| id == "0"));
    let has_any = field("CapPrm").is_none_or(|set| !set.trim_matches('0').is_empty());
    let may_gain = field("NoNewPrivs") != Some("1");
    [(is_root, Finding::Root), (has_any, Finding::Capabilities), (may_gain, Finding::MayGain)]
        .into_iter()
        .filter_map(|(is_so, finding)| is_so.then_some(finding))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_read_from_status() {
        let status = |uid: &str, caps: &str, barred: &str| {
            format!("Name:\tx\nUid:\t{uid}\nCapPrm:\t{caps}\nNoNewPrivs:\t{barred}\n")
        };
        let none = "0000000000000000";
        assert_eq!(privileges(&status("9\t9\t9\t9", none, "1")), []);
        assert_eq!(privileges(&status("9\t0\t9\t9", none, "1")), [Finding::Root]);
        let found = privileges(&status("9\t9\t9\t9", "0000000000200000", "0"));
        assert_eq!(found, [Finding::Capabilities, Finding::MayGain]);
        // What is not said is not taken for well.
        assert_eq!(privileges(""), [Finding::Capabilities, Finding::MayGain]);
    }

    #[test]
    fn variables_of_its_sandbox_are_its_own() {
        let environ = b"PATH=/bin\0MONEYER_TOKEN_SECRET=x\0GITHUB_TOKEN=y\0";
        let found = variables(environ, "MONEYER_TOKEN_SECRET=x\n");
        assert_eq!(found, [Finding::Variable("GITHUB_TOKEN".to_owned())]);
    }

    #[test]
    fn this_process_shares_everything_with_itself() {
        let directory = tempfile::tempdir().unwrap();
        let hidden =
            [Hidden { key: "runner.state", directory: directory.path().canonicalize().unwrap() }];
        let found = inspect(std::process::id(), &hidden, "").unwrap();
        for what in ["network", "processes", "mounts"] {
            assert!(found.contains(&Finding::Shared(what)), "{found:?}");
        }
        assert!(found.iter().any(|found| matches!(found, Finding::Sees { .. })), "{found:?}");
    }
}
