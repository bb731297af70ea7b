//! What a program sees of the host's file system: all of it, but for what is hidden, decided before anything is mounted.
//!
//! The daemon's directories are covered as wholes and never file by file: a socket or a file that is replaced by
//! rename would come out from under its cover. A directory that others need cannot be covered, so what lies in one
//! directly is refused. The sandbox's own directory is shown again in its place, on top of the covers.

use std::path::{Path, PathBuf};

use super::IsolationError;

/// Directories that hold more than a daemon's own.
const SHARED: [&str; 21] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt",
    "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/usr", "/usr/bin", "/var", "/var/lib",
];

/// What every program gets empty, and may write to: others leave their sockets there.
const SCRATCH: [&str; 2] = ["/tmp", "/var/tmp"];

/// The same where it has a network of its own: name services and service managers listen there, a way out.
const RUNTIME: &str = "/run";

/// What no program may see, by the key of the configuration that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) key: &'static str,
    /// The directory, with links resolved.
    pub(crate) directory: PathBuf,
}

impl Hidden {
    /// A directory of the daemon's own.
    pub(crate) fn directory(key: &'static str, path: &Path) -> Result<Self, IsolationError> {
        let found = path.canonicalize();
        let directory = found.map_err(|source| IsolationError::NotFound {
            key,
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { key, directory })
    }

    /// The directory of a file or a socket.
    pub(crate) fn directory_of(key: &'static str, path: &Path) -> Result<Self, IsolationError> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self::directory(key, parent.unwrap_or(Path::new(".")))
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) hidden: Vec<Hidden>,
    /// The sandbox's directory on the host, with links resolved.
    pub(crate) own: PathBuf,
    /// Where the program sees it, with links resolved as far as it is there.
    pub(crate) own_seen_at: PathBuf,
    /// What stays as it is though it lies in a directory that is emptied, with links resolved.
    pub(crate) kept: Vec<PathBuf>,
    /// Whether it has a network of its own.
    pub(crate) private_network: bool,
}

/// A directory that is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) directory: PathBuf,
    pub(super) is_writable: bool,
}

/// What is shown on top of a cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) from: PathBuf,
    pub(super) at: PathBuf,
    /// Whether it lies in a cover, where a directory for it is made.
    pub(super) is_in_cover: bool,
    pub(super) is_own: bool,
}

/// What is mounted: covers first, none inside another, then what is shown, outer before inner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) covers: Vec<Cover>,
    pub(super) shown: Vec<Shown>,
}

impl Wanted {
    /// The plan, or what is wrong with it.
    pub(super) fn plan(&self) -> Result<Plan, IsolationError> {
        let mut covers: Vec<_> = SCRATCH
            .iter()
            .map(|path| Cover { directory: path.into(), is_writable: true })
            .collect();
        if self.private_network {
            covers.push(Cover { directory: RUNTIME.into(), is_writable: false });
        }
        for hidden in &self.hidden {
            let is_shared = SHARED.iter().any(|shared| hidden.directory == Path::new(shared));
            let is_emptied =
                covers.iter().any(|cover| hidden.directory.starts_with(&cover.directory));
            if is_shared && !is_emptied {
                let (key, path) = (hidden.key, hidden.directory.clone());
                return Err(IsolationError::Shared { key, path });
            }
            covers.push(Cover { directory: hidden.directory.clone(), is_writable: false });
        }
        let covers = outermost(covers);
        let mut seen = vec![shown(&covers, &self.own, &self.own_seen_at, true)];
        for kept in &self.kept {
            self.check_kept(kept)?;
            let kept = shown(&covers, kept, kept, false);
            // Outside of all covers it is there anyway.
            if kept.is_in_cover {
                seen.push(kept);
            }
        }
        seen.sort_by(|one, other| one.at.cmp(&other.at));
        Ok(Plan { covers, shown: seen })
    }

    /// Neither inside what is hidden nor around it, nor around the sandbox's directory, whose place would be the program's.
    fn check_kept(&self, kept: &Path) -> Result<(), IsolationError> {
        if self.own_seen_at.starts_with(kept) {
            let (key, path) = ("the sandbox's directory", self.own_seen_at.clone());
            return Err(IsolationError::Kept { kept: kept.to_owned(), key, path });
        }
        let overlaps = |hidden: &&Hidden| {
            kept.starts_with(&hidden.directory) || hidden.directory.starts_with(kept)
        };
        match self.hidden.iter().find(overlaps) {
            Some(hidden) => Err(IsolationError::Kept {
                kept: kept.to_owned(),
                key: hidden.key,
                path: hidden.directory.clone(),
            }),
            None => Ok(()),
        }
    }
}

fn shown(covers: &[Cover], from: &Path, at: &Path, is_own: bool) -> Shown {
    let is_in_cover = covers.iter().any(|cover| at.starts_with(&cover.directory));
    Shown { from: from.to_owned(), at: at.to_owned(), is_in_cover, is_own }
}

/// Those that lie in no other one.
fn outermost(mut covers: Vec<Cover>) -> Vec<Cover> {
    covers.sort_by(|one, other| one.directory.cmp(&other.directory));
    let mut kept: Vec<Cover> = Vec::new();
    for cover in covers {
        let is_inside = kept.iter().any(|outer| cover.directory.starts_with(&outer.directory));
        if !is_inside {
            kept.push(cover);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(key: &'static str, directory: &str) -> Hidden {
        Hidden { key, directory: directory.into() }
    }

    fn wanted(hidden: Vec<Hidden>, kept: &[&str], private_network: bool) -> Wanted {
        let own = PathBuf::from("/run/moneyer/sandboxes/s");
        let kept = kept.iter().map(PathBuf::from).collect();
        Wanted { hidden, own_seen_at: own.clone(), own, kept, private_network }
    }

    fn usual() -> Vec<Hidden> {
        vec![
            hidden("runner.state", "/var/lib/moneyer-runner-proxy"),
            hidden("runner.run", "/run/moneyer"),
            hidden("--config", "/etc/moneyer"),
        ]
    }

    fn covers(plan: &Plan) -> Vec<(&str, bool)> {
        plan.covers
            .iter()
            .map(|cover| (cover.directory.to_str().unwrap(), cover.is_writable))
            .collect()
    }

    #[test]
    fn the_daemons_directories_are_covered_and_the_sandboxs_own_is_shown() {
        let plan = wanted(usual(), &[], true).plan().unwrap();
        let expected = [
            ("/etc/moneyer", false),
            ("/run", false),
            ("/tmp", true),
            ("/var/lib/moneyer-runner-proxy", false),
            ("/var/tmp", true),
        ];
        assert_eq!(covers(&plan), expected);
        let [own] = &plan.shown[..] else { panic!("{plan:?}") };
        assert!(own.is_own && own.is_in_cover && own.at == Path::new("/run/moneyer/sandboxes/s"));
        // With the host's network names are looked up by what lies in /run.
        let plan = wanted(usual(), &[], false).plan().unwrap();
        assert!(covers(&plan).contains(&("/run/moneyer", false)), "{plan:?}");
        assert!(!covers(&plan).iter().any(|(path, _)| *path == "/run"), "{plan:?}");
    }

    #[test]
    fn what_lies_in_a_shared_directory_is_refused_unless_that_is_emptied_anyway() {
        for (shared, private_network, is_refused) in [
            ("/etc", true, true),
            ("/run", true, false),
            ("/run", false, true),
            ("/tmp", false, false),
        ] {
            let wanted = wanted(vec![hidden("control.socket", shared)], &[], private_network);
            let refused = matches!(
                wanted.plan(),
                Err(IsolationError::Shared { key: "control.socket", path }) if path == Path::new(shared)
            );
            assert_eq!(refused, is_refused, "{shared}");
        }
    }

    #[test]
    fn nothing_is_kept_that_shows_what_is_hidden() {
        for kept in ["/run/moneyer/sandboxes", "/run", "/", "/etc/moneyer/x", "/var/lib"] {
            let refused = wanted(usual(), &[kept], true).plan();
            assert!(matches!(refused, Err(IsolationError::Kept { .. })), "{kept}: {refused:?}");
        }
        let mut around = wanted(usual(), &["/tmp/app"], true);
        around.own_seen_at = "/tmp/app/s".into();
        assert!(matches!(around.plan(), Err(IsolationError::Kept { .. })));
        let plan = wanted(usual(), &["/tmp/app", "/srv/app", "/tmp"], true).plan().unwrap();
        let kept: Vec<_> = plan.shown.iter().map(|shown| shown.at.to_str().unwrap()).collect();
        assert_eq!(kept, ["/run/moneyer/sandboxes/s", "/tmp", "/tmp/app"]);
    }

    #[test]
    fn no_cover_lies_in_another_and_names_alone_make_no_parents() {
        let hidden = vec![
            hidden("runner.state", "/srv/moneyer/state"),
            hidden("runner.run", "/srv/moneyer"),
            hidden("--config", "/srv/moneyer-config"),
        ];
        let plan = wanted(hidden, &[], false).plan().unwrap();
        let covered: Vec<_> = covers(&plan).into_iter().map(|(path, _)| path).collect();
        assert_eq!(covered, ["/srv/moneyer", "/srv/moneyer-config", "/tmp", "/var/tmp"]);
    }
}
