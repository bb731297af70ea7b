//! The directory of one sandbox, which is mounted into it.
//!
//! Files are replaced by rename, so a reader sees a whole token or the one before, never a part or
//! nothing. They are written through descriptors that were opened before the sandbox could see the
//! directory, so a sandbox with a writable mount cannot lead a write elsewhere by a link. Once
//! destroyed, nothing is written any more: a renewal that comes late finds no directory.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use moneyer_daemon::file;
use moneyer_identity::{ProfileName, SandboxId};
use rustix::fs::{Mode, OFlags};

use super::sdk::SdkFileName;

/// The parent is private to the proxy; inside the sandbox, any user may read.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Which file of a sandbox shows a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TokenFileName {
    /// `token`: the default audience.
    Default,
    /// `tokens/<profile>`.
    Profile(ProfileName),
}

impl fmt::Display for TokenFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("token"),
            Self::Profile(name) => write!(f, "tokens/{name}"),
        }
    }
}

/// The directory, and the right to write to it until it is destroyed.
#[derive(Debug)]
pub(crate) struct SandboxDirectory {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    root: OwnedFd,
    tokens: OwnedFd,
    google: OwnedFd,
}

impl SandboxDirectory {
    /// Makes the directory `<parent>/<id>`, or takes over the one that is there.
    pub(crate) fn create(parent: &Path, sandbox: &SandboxId) -> io::Result<Self> {
        let path = parent.join(sandbox.as_str());
        let root = make(&path)?;
        let tokens = make(&through(&root).join("tokens"))?;
        let google = make(&through(&root).join("google"))?;
        Ok(Self { path, open: Mutex::new(Some(Open { root, tokens, google })) })
    }

    /// Its path on the host.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Shows a token in a file, without a trailing newline.
    pub(crate) fn write_token(&self, name: &TokenFileName, token: &str) -> io::Result<()> {
        self.with(name, |path| file::replace(&path, token.as_bytes(), FILE_MODE))
    }

    /// Removes a token file, if it is there.
    pub(crate) fn remove_token(&self, name: &TokenFileName) -> io::Result<()> {
        self.with(name, |path| removed(&path))
    }

    /// The profiles that have a token file.
    pub(crate) fn profiles(&self) -> io::Result<Vec<ProfileName>> {
        let open = self.open();
        let Some(open) = open.as_ref() else { return Ok(Vec::new()) };
        let names = fs::read_dir(through(&open.tokens))?.filter_map(Result::ok);
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| ProfileName::parse(&name).ok()).collect())
    }

    /// Writes a file that an SDK reads, or with `None` removes it, if it is there.
    pub(crate) fn put_sdk_file(&self, name: SdkFileName, text: Option<&str>) -> io::Result<()> {
        let open = self.open();
        let path = through(&open.as_ref().ok_or_else(destroyed)?.google).join(name.name());
        match text {
            Some(text) => file::replace(&path, text.as_bytes(), FILE_MODE),
            None => removed(&path),
        }
    }

    /// Writes a file by which programs trust the forward proxy, or with `None` removes it, if it is there.
    pub(crate) fn put_trust_file(&self, name: &str, text: Option<&str>) -> io::Result<()> {
        let open = self.open();
        let path = through(&open.as_ref().ok_or_else(destroyed)?.root).join(name);
        match text {
            Some(text) => file::replace(&path, text.as_bytes(), FILE_MODE),
            None => removed(&path),
        }
    }

    /// Writes the file `env`.
    pub(crate) fn write_environment(&self, text: &str) -> io::Result<()> {
        match self.open().as_ref() {
            Some(open) => {
                file::replace(&through(&open.root).join("env"), text.as_bytes(), FILE_MODE)
            }
            None => Err(destroyed()),
        }
    }

    /// Removes the directory and all in it. Nothing is written to it from here on.
    pub(crate) fn destroy(&self) -> io::Result<()> {
        let mut open = self.open();
        *open = None;
        remove_all(&self.path)
    }

    /// Removes what there is of the directory `<parent>/<id>` that nobody holds.
    pub(crate) fn remove(parent: &Path, sandbox: &SandboxId) -> io::Result<()> {
        remove_all(&parent.join(sandbox.as_str()))
    }

    fn with(
        &self,
        name: &TokenFileName,
        act: impl FnOnce(PathBuf) -> io::Result<()>,
    ) -> io::Result<()> {
        match (self.open().as_ref(), name) {
            (None, _) => Err(destroyed()),
            (Some(open), TokenFileName::Default) => act(through(&open.root).join("token")),
            (Some(open), TokenFileName::Profile(name)) => {
                act(through(&open.tokens).join(name.as_str()))
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn destroyed() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the sandbox's directory is gone")
}

/// A path that leads through an open directory, whatever its name has become.
fn through(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

fn make(path: &Path) -> io::Result<OwnedFd> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    // The umask has had its say; other users inside the sandbox have to get in.
    fs::set_permissions(through(&directory), Permissions::from_mode(DIRECTORY_MODE))?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn profile(name: &str) -> TokenFileName {
        TokenFileName::Profile(ProfileName::parse(name).unwrap())
    }

    fn directory(parent: &Path) -> SandboxDirectory {
        SandboxDirectory::create(parent, &SandboxId::parse("s-1").unwrap()).unwrap()
    }

    #[test]
    fn files_are_replaced_whole_and_readable_by_all() {
        let parent = tempfile::tempdir().unwrap();
        let directory = directory(parent.path());
        directory.write_token(&TokenFileName::Default, "first").unwrap();
        let path = parent.path().join("s-1/token");
        let before = fs::metadata(&path).unwrap().ino();
        let held = fs::File::open(&path).unwrap();
        directory.write_token(&TokenFileName::Default, "second and longer").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), before, "renamed, not rewritten");
        assert_eq!(fs::read(&path).unwrap(), b"second and longer", "no newline");
        assert_eq!(io::read_to_string(held).unwrap(), "first", "a reader keeps what it opened");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        assert_eq!(fs::metadata(parent.path().join("s-1")).unwrap().mode() & 0o777, 0o755);

        directory.write_token(&profile("aws"), "x").unwrap();
        assert_eq!(fs::read(parent.path().join("s-1/tokens/aws")).unwrap(), b"x");
        assert_eq!(directory.profiles().unwrap(), [ProfileName::parse("aws").unwrap()]);
        directory.remove_token(&profile("aws")).unwrap();
        directory.remove_token(&profile("aws")).unwrap();
        assert_eq!(directory.profiles().unwrap(), []);
    }

    #[test]
    fn a_reader_never_sees_a_part_or_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let directory = directory(parent.path());
        let (short, long) = ("a".repeat(900), "b".repeat(9_000));
        directory.write_token(&TokenFileName::Default, &short).unwrap();
        let path = parent.path().join("s-1/token");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..500 {
                    directory.write_token(&TokenFileName::Default, &long).unwrap();
                    directory.write_token(&TokenFileName::Default, &short).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = fs::read_to_string(&path).unwrap();
                assert!(seen == short || seen == long, "{} bytes", seen.len());
            }
        });
    }

    #[test]
    fn links_planted_by_the_sandbox_lead_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let outside = parent.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let directory = directory(parent.path());
        let tokens = parent.path().join("s-1/tokens");
        fs::rename(&tokens, parent.path().join("s-1/moved")).unwrap();
        std::os::unix::fs::symlink(&outside, &tokens).unwrap();
        directory.write_token(&profile("aws"), "secret").unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        SandboxDirectory::create(parent.path(), &SandboxId::parse("s-1").unwrap()).unwrap_err();
    }

    #[test]
    fn nothing_is_written_once_it_is_destroyed() {
        let parent = tempfile::tempdir().unwrap();
        let directory = directory(parent.path());
        directory.write_token(&profile("aws"), "x").unwrap();
        directory.destroy().unwrap();
        directory.destroy().unwrap();
        directory.write_token(&profile("aws"), "x").unwrap_err();
        directory.write_environment("A=b").unwrap_err();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
