//! Opening the socket, and saying plainly why it cannot be opened.
//!
//! A Unix socket gets its mode before it accepts anyone: it is bound, its mode set, and
//! only then listened on. A socket left behind by a dead process is removed; one that a
//! live process answers on, or a path that is no socket, is refused. The directory may belong to a
//! sandbox that swaps what is in it: a link in the socket's place is never followed.

use std::fs::{File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::{ListenAddress, ShortPath};

/// Connections the kernel may hold ready before they are accepted; it caps this itself.
const BACKLOG: u32 = 1024;

/// Who may connect to a Unix socket. Ignored for TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixMode {
    /// Only the owner (0600).
    Owner,
    /// The owner and the group (0660).
    Group,
    /// Everyone who can reach the path (0666).
    Everyone,
}

impl UnixMode {
    fn bits(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
            Self::Everyone => 0o666,
        }
    }
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process listens there.
    #[error(
        "cannot listen on {address}: the address is in use; stop the other process or set {setting}"
    )]
    InUse {
        /// The address.
        address: ListenAddress,
        /// The setting that names another address.
        setting: String,
    },
    /// The path exists and is something else than a socket.
    #[error(
        "cannot listen on unix:{path}: the path exists and is not a socket; remove it or set {setting}"
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
        /// The setting that names another address.
        setting: String,
    },
    /// The system refused.
    #[error("cannot listen on {address}; check {setting}")]
    Refused {
        /// The address.
        address: ListenAddress,
        /// The setting that names another address.
        setting: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    /// Names the setting, such as `listen.public`, that the address came from.
    #[must_use]
    pub fn for_setting(mut self, name: &str) -> Self {
        match &mut self {
            Self::InUse { setting, .. }
            | Self::NotASocket { setting, .. }
            | Self::Refused { setting, .. } => name.clone_into(setting),
        }
        self
    }
}

/// An open listener that accepts nobody until it is served.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    address: ListenAddress,
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    // The file goes first: while the socket is open no other file can have its inode.
    Unix { _file: SocketFile, listener: UnixListener },
}

/// The name of a bound socket in the file system, removed when dropped if still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = self.path.symlink_metadata().is_ok_and(|m| (m.dev(), m.ino()) == self.inode);
        if ours {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

impl Listener {
    /// Opens `address`; `mode` says who may connect if it is a Unix socket.
    ///
    /// Needs a Tokio runtime.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(address: &ListenAddress, mode: UnixMode) -> Result<Self, BindError> {
        let setting = || "another address".to_owned();
        let refused = |source: io::Error| {
            let (address, setting) = (address.clone(), setting());
            if source.kind() == io::ErrorKind::AddrInUse {
                BindError::InUse { address, setting }
            } else {
                BindError::Refused { address, setting, source }
            }
        };
        match address {
            ListenAddress::Tcp(tcp) => {
                let listener = bind_tcp(*tcp).map_err(refused)?;
                let local = listener.local_addr().map_err(refused)?;
                let address = ListenAddress::Tcp(local);
                Ok(Self { socket: Socket::Tcp(listener), address })
            }
            ListenAddress::Unix(path) => {
                if !clear_stale(path).map_err(refused)? {
                    return Err(BindError::NotASocket { path: path.clone(), setting: setting() });
                }
                let socket = bind_unix(path, mode).map_err(refused)?;
                Ok(Self { socket, address: address.clone() })
            }
        }
    }

    /// Where it really listens: with port 0, the port the system chose.
    #[must_use]
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Removes a socket nobody answers on. `false` if the path is something else.
fn clear_stale(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Ok(false),
        Ok(_) => {}
    }
    match UnixStream::connect(ShortPath::new(path)?.as_path()) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map(|()| true)
        }
        Err(error) => Err(error),
    }
}

fn bind_unix(path: &Path, mode: UnixMode) -> io::Result<Socket> {
    let short = ShortPath::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(short.as_path())?)?;
    let file = SocketFile { path: path.to_owned(), inode: set_mode(path, mode)? };
    rustix::net::listen(&socket, BACKLOG.cast_signed())?;
    Ok(Socket::Unix { _file: file, listener: UnixListener::from_std(socket.into())? })
}

/// Sets the mode of the socket that was bound at `path`, if a socket is still there; its inode. By the
/// path the mode could go to whatever a link that took its place points at.
fn set_mode(path: &Path, mode: UnixMode) -> io::Result<(u64, u64)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = held.metadata()?;
    if !found.file_type().is_socket() {
        return Err(io::Error::other("something else took the socket's place while it was opened"));
    }
    // fchmod refuses a descriptor that only names; the link in /proc leads to what it names.
    let named = format!("/proc/self/fd/{}", held.as_raw_fd());
    std::fs::set_permissions(named, Permissions::from_mode(mode.bits()))?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &Path) -> ListenAddress {
        ListenAddress::Unix(path.to_owned())
    }

    #[tokio::test]
    async fn a_taken_port_names_the_setting() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let address = first.local_address();
        let error = Listener::bind(address, UnixMode::Owner).unwrap_err();
        let expected = format!(
            "cannot listen on {address}: the address is in use; \
             stop the other process or set listen.public"
        );
        assert_eq!(error.for_setting("listen.public").to_string(), expected);
    }

    #[tokio::test]
    async fn a_unix_socket_has_its_mode_and_goes_away_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        for mode in [UnixMode::Owner, UnixMode::Group, UnixMode::Everyone] {
            let listener = Listener::bind(&unix(&path), mode).unwrap();
            let found = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode.bits());
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_socket_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (file, socket) = (directory.path().join("file"), directory.path().join("other.sock"));
        std::fs::write(&file, "precious").unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for target in [file, socket] {
            std::fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
            let path = directory.path().join("a.sock");
            std::os::unix::fs::symlink(&target, &path).unwrap();
            set_mode(&path, UnixMode::Everyone).unwrap_err();
            let found = target.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(found, 0o600, "{}", target.display());
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _live = Listener::bind(&unix(&path), UnixMode::Owner).unwrap();
        let error = Listener::bind(&unix(&path), UnixMode::Owner).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn other_things_at_the_path_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        let error = Listener::bind(&unix(&path), UnixMode::Owner).unwrap_err();
        assert!(matches!(error, BindError::NotASocket { .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_path_longer_than_a_socket_address_works() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let path = long.join("a.sock");
        let _listener = Listener::bind(&unix(&path), UnixMode::Owner).unwrap();
        UnixStream::connect(ShortPath::new(&path).unwrap().as_path()).unwrap();
        let error = Listener::bind(&unix(&path), UnixMode::Owner).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    }
}
