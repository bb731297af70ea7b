//! A small HTTP/1.1 client over a Unix socket, for command lines that talk to a daemon.
//!
//! One request a connection, the answer bounded in size and time.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
pub use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Longest answer in bytes: a page of 1,000 records is under 1 MiB.
const MAXIMUM_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Longest time for a request: a daemon that makes a key may take some seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum UnixHttpError {
    /// There is no socket.
    #[error("there is no socket at {}; is the daemon running, and is this its configuration?", .0.display())]
    Missing(PathBuf),
    /// The socket refuses this user.
    #[error("this user may not use {}; run as root or as the daemon's user", .0.display())]
    Denied(PathBuf),
    /// Nobody listens.
    #[error("nobody listens at {}; start the daemon", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
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
    /// The body.
    pub body: Vec<u8>,
}

/// Asks a daemon over its socket.
#[derive(Debug, Clone)]
pub struct UnixClient {
    path: PathBuf,
}

impl UnixClient {
    /// A client of the socket at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Sends one request with a JSON body, empty for none.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, UnixHttpError> {
        let asked = self.ask(method, path, body);
        tokio::time::timeout(TIMEOUT, asked).await.unwrap_or(Err(UnixHttpError::Timeout))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, UnixHttpError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.refused(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(UnixHttpError::Talk)?;
        let driven = tokio::spawn(connection);
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(UnixHttpError::Request)?;
        let response = sender.send_request(request).await.map_err(UnixHttpError::Talk)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAXIMUM_ANSWER_BYTES);
        let body = body.collect().await.map_err(UnixHttpError::Answer)?.to_bytes().to_vec();
        driven.abort();
        Ok(Answer { status, body })
    }

    fn refused(&self, source: io::Error) -> UnixHttpError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::NotFound => UnixHttpError::Missing(path),
            io::ErrorKind::PermissionDenied => UnixHttpError::Denied(path),
            _ => UnixHttpError::Connect { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_socket_is_told_with_the_next_step() {
        let client = UnixClient::new("/nonexistent/a.sock".into());
        let error = client.request(Method::GET, "/", Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("is the daemon running"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_comes_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let router = axum::Router::new()
            .route("/echo", axum::routing::post(|body: String| async move { body }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = UnixClient::new(path);
        let answer = client.request(Method::POST, "/echo", b"{}".to_vec()).await.unwrap();
        assert_eq!((answer.status, answer.body), (StatusCode::OK, b"{}".to_vec()));
    }
}
