//! A small HTTP/1.1 client for command lines that talk to a daemon on the same machine.
//!
//! Over a Unix socket, or TCP where the daemon listens on loopback. One request a
//! connection, the answer bounded in size and time, no redirects, no TLS. Errors tell the
//! person at the terminal what to do next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
pub use http::{HeaderMap, Method, StatusCode};
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::task::AbortOnDropHandle;

use crate::listener::{ListenAddress, ShortPath};

/// Longest answer in bytes: a page of 1,000 records is under 1 MiB.
const MAXIMUM_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Longest time for a request: a daemon that makes a key may take some seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a daemon did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixHttpError {
    /// There is no socket.
    #[error("there is no socket at {}; is the daemon running, and is this its configuration?", .0.display())]
    Missing(PathBuf),
    /// The socket refuses this user.
    #[error("this user may not use {}; run as root or as the daemon's user", .0.display())]
    Denied(PathBuf),
    /// Nobody listens.
    #[error("nobody listens at {address}; start the daemon")]
    Connect {
        /// The address.
        address: ListenAddress,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The request could not be written.
    #[error("the request could not be made")]
    Request(#[source] http::Error),
    /// The conversation broke off.
    #[error("the daemon broke off")]
    Talk(#[source] hyper::Error),
    /// The answer is too long or broke off.
    #[error("the answer is too long or broke off")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the daemon did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// What a daemon answered.
#[derive(Debug)]
pub struct Answer {
    /// How it went.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks a daemon over its socket.
#[derive(Debug, Clone)]
pub struct UnixClient {
    address: ListenAddress,
}

impl UnixClient {
    /// A client of the socket at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self::at(ListenAddress::Unix(path))
    }

    /// A client of a daemon that listens at `address`.
    #[must_use]
    pub fn at(address: ListenAddress) -> Self {
        Self { address }
    }

    /// Sends one request with a JSON body, empty for none.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, UnixHttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.request_with(method, path, headers, body).await
    }

    /// Sends one request with these header fields and this body.
    pub async fn request_with(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, UnixHttpError> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .body(Full::new(Bytes::from(body)))
            .map_err(UnixHttpError::Request)?;
        *request.headers_mut() = headers;
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().entry(header::HOST).or_insert(host);
        let asked = self.ask(request);
        tokio::time::timeout(TIMEOUT, asked).await.unwrap_or(Err(UnixHttpError::Timeout))
    }

    async fn ask(&self, request: http::Request<Full<Bytes>>) -> Result<Answer, UnixHttpError> {
        match &self.address {
            ListenAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                talk(stream.map_err(|error| self.refused(error))?, request).await
            }
            ListenAddress::Unix(path) => {
                let short = ShortPath::new(path).map_err(|error| self.refused(error))?;
                let stream = UnixStream::connect(short.as_path()).await;
                talk(stream.map_err(|error| self.refused(error))?, request).await
            }
        }
    }

    fn refused(&self, source: io::Error) -> UnixHttpError {
        let address = self.address.clone();
        match (source.kind(), address) {
            (io::ErrorKind::NotFound, ListenAddress::Unix(path)) => UnixHttpError::Missing(path),
            (io::ErrorKind::PermissionDenied, ListenAddress::Unix(path)) => {
                UnixHttpError::Denied(path)
            }
            (_, address) => UnixHttpError::Connect { address, source },
        }
    }
}

async fn talk<IO>(stream: IO, request: http::Request<Full<Bytes>>) -> Result<Answer, UnixHttpError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(UnixHttpError::Talk)?;
    // Ends with the sender, whichever way this function is left.
    let _driven = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(UnixHttpError::Talk)?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAXIMUM_ANSWER_BYTES).collect().await;
    let body = body.map_err(UnixHttpError::Answer)?.to_bytes().to_vec();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Shutdown;
    use crate::listener::{Limits, Listener, Tls, UnixMode};

    #[tokio::test]
    async fn a_missing_socket_is_told_with_the_next_step() {
        let client = UnixClient::new("/nonexistent/a.sock".into());
        let error = client.request(Method::GET, "/", Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("is the daemon running"), "{error}");
    }

    /// A daemon of ours at `address`; gives where it really listens.
    fn daemon(address: &ListenAddress) -> ListenAddress {
        let listener = Listener::bind(address, UnixMode::Owner).unwrap();
        let address = listener.local_address().clone();
        let echo = |headers: HeaderMap, body: String| async move {
            ([("x-echo", headers["x-ask"].clone())], body)
        };
        let router = axum::Router::new().route("/echo", axum::routing::post(echo));
        tokio::spawn(async move {
            listener.serve(router, Limits::default(), Tls::Off, &Shutdown::new()).await;
        });
        address
    }

    #[tokio::test]
    async fn an_answer_comes_whole_over_either_kind_of_socket() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let unix = ListenAddress::Unix(long.join("a.sock"));
        for address in [daemon(&unix), daemon(&"127.0.0.1:0".parse().unwrap())] {
            let mut headers = HeaderMap::new();
            headers.insert("x-ask", HeaderValue::from_static("1"));
            let client = UnixClient::at(address);
            let asked = client.request_with(Method::POST, "/echo", headers, b"{}".to_vec());
            let answer = asked.await.unwrap();
            assert_eq!((answer.status, answer.body), (StatusCode::OK, b"{}".to_vec()));
            assert_eq!(answer.headers["x-echo"], "1");
        }
    }

    #[tokio::test]
    async fn a_dead_socket_is_told_from_a_missing_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = UnixClient::new(path).request(Method::GET, "/", Vec::new()).await;
        assert!(matches!(error, Err(UnixHttpError::Connect { .. })), "{error:?}");
    }
}
