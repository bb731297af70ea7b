//! What a beat of the watchdog is sent for: the token server answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Asks for nothing that needs the coordinator, a sandbox or a secret: a refusal is an answer.
const QUESTION: &[u8] = b"GET /v1/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the token server on TCP. A connection that is closed unanswered is taken for an answer: so it turns away
/// whoever has too many, and no sandbox may have the daemon ended by opening connections. What hangs is left to
/// whoever waits.
pub(super) async fn answers(address: SocketAddr) -> Result<(), io::Error> {
    let mut stream = TcpStream::connect(reachable(address)).await?;
    let mut begin = [0; 9];
    let asked = match stream.write_all(QUESTION).await {
        Ok(()) => stream.read_exact(&mut begin).await.map(drop),
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) if begin.starts_with(b"HTTP/1.1 ") => Ok(()),
        Ok(()) => {
            Err(io::Error::other("the token server's address answers something else than HTTP"))
        }
        Err(error) if closed(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// An address to call: one that names no single one is called on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is made of a server that reads the question and then says this, or closes at once.
    async fn made_of(answer: Option<&'static [u8]>) -> Result<(), io::Error> {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(answer) = answer else { return };
            let mut question = vec![0; QUESTION.len()];
            stream.read_exact(&mut question).await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        let checked = answers(address).await;
        server.await.unwrap();
        checked
    }

    #[tokio::test]
    async fn any_answer_and_a_closed_door_are_life() {
        made_of(Some(b"HTTP/1.1 401 Unauthorized\r\n\r\n")).await.unwrap();
        made_of(None).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_there_and_somebody_else_are_not() {
        made_of(Some(b"SSH-2.0-OpenSSH\r\n")).await.unwrap_err();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = listener.local_addr().unwrap();
        drop(listener);
        answers(gone).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_hangs_does_not_end() {
        // Bound, and nobody accepts.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let checked = answers(listener.local_addr().unwrap());
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), checked).await;
        waited.unwrap_err();
    }
}
