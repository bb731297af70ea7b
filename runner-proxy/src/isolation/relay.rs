//! Bytes between a door in the program's network and a socket of its sandbox.
//!
//! Runs outside the program's process namespace and looks into nothing. The socket is reached through the directory
//! that was opened when it was mounted, so that no path of the program's making leads elsewhere.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

use super::doors::{Door, path_of};

/// Connections through one door at a time: more than the daemon takes on one socket by default. More wait. Two
/// descriptors for each, so that both doors stay within the usual 1,024 of a process.
const MAX_RELAYED: usize = 128;

/// Serves a door until the runtime ends.
pub(super) fn serve(door: Door, directory: Arc<OwnedFd>) -> io::Result<()> {
    let listener = TcpListener::from_std(door.listener)?;
    tokio::spawn(async move { accept(&listener, door.socket, &directory).await });
    Ok(())
}

async fn accept(listener: &TcpListener, socket: &'static str, directory: &Arc<OwnedFd>) {
    let places = Arc::new(Semaphore::new(MAX_RELAYED));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Of a connection that broke off nothing is left; of descriptors there may be some soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let directory = Arc::clone(directory);
        tokio::spawn(async move {
            // Either end may go at any time, and hears of it by the end of its connection.
            relay(stream, socket, &directory).await.ok();
            drop(place);
        });
    }
}

async fn relay(mut stream: TcpStream, socket: &str, directory: &OwnedFd) -> io::Result<()> {
    let mut own = UnixStream::connect(path_of(directory.as_raw_fd(), socket)).await?;
    stream.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut stream, &mut own).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn door(directory: &std::path::Path) -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let opened = Arc::new(OwnedFd::from(std::fs::File::open(directory).unwrap()));
        serve(Door { listener, socket: "a.sock" }, opened).unwrap();
        address
    }

    #[tokio::test]
    async fn bytes_and_ends_pass_both_ways() {
        let directory = tempfile::tempdir().unwrap();
        let socket = tokio::net::UnixListener::bind(directory.path().join("a.sock")).unwrap();
        let mut outer = TcpStream::connect(door(directory.path())).await.unwrap();
        outer.write_all(b"ping").await.unwrap();
        outer.shutdown().await.unwrap();
        let (mut inner, _) = socket.accept().await.unwrap();
        let mut heard = String::new();
        inner.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "ping");
        inner.write_all(b"pong").await.unwrap();
        drop(inner);
        heard.clear();
        outer.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "pong");
    }

    #[tokio::test]
    async fn one_that_finds_no_socket_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let mut outer = TcpStream::connect(door(directory.path())).await.unwrap();
        assert_eq!(outer.read(&mut [0]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn more_than_so_many_wait_for_one_that_ends() {
        let directory = tempfile::tempdir().unwrap();
        let socket = tokio::net::UnixListener::bind(directory.path().join("a.sock")).unwrap();
        let address = door(directory.path());
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        for _ in 0..MAX_RELAYED {
            outer.push(TcpStream::connect(address).await.unwrap());
            inner.push(socket.accept().await.unwrap().0);
        }
        let mut late = TcpStream::connect(address).await.unwrap();
        late.write_all(b"x").await.unwrap();
        let soon = Duration::from_millis(50);
        tokio::time::timeout(soon, socket.accept()).await.expect_err("it does not wait");
        outer.pop();
        inner.pop();
        let (mut taken, _) =
            tokio::time::timeout(Duration::from_secs(30), socket.accept()).await.unwrap().unwrap();
        assert_eq!(taken.read_u8().await.unwrap(), b'x');
    }
}
