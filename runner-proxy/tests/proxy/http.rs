//! Requests as a sandbox makes them, byte by byte.

use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// `GET target` with these header lines; status and body.
async fn get(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    target: &str,
    headers: &str,
) -> (u16, String) {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// A request on a Unix socket; `None` where nobody listens.
pub(crate) async fn on_socket(socket: &Path, target: &str) -> Option<(u16, Value)> {
    let io = UnixStream::connect(socket).await.ok()?;
    let (status, body) = get(io, target, "").await;
    Some((status, serde_json::from_str(&body).unwrap()))
}

/// A request on TCP with a bearer.
pub(crate) async fn with_secret(url: &str, query: &str, secret: &str) -> (u16, Value) {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let io = TcpStream::connect(address).await.unwrap();
    let authorization = format!("Authorization: Bearer {secret}\r\n");
    let (status, body) = get(io, &format!("/{path}{query}"), &authorization).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// A plain request on TCP.
pub(crate) async fn plain(address: &str, target: &str) -> (u16, String) {
    get(TcpStream::connect(address).await.unwrap(), target, "").await
}
