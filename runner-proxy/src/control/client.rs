//! The commands' end of the control socket.

use std::io;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use moneyer_proto::v1::control_client::ControlClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// Why the daemon could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// There is no socket, or nobody behind it.
    #[error(
        "no runner proxy answers at {0}; start it with: moneyer-runner-proxy serve, or name its configuration with --config"
    )]
    NotRunning(PathBuf),
    /// The socket is another user's.
    #[error("{0} is for the runner proxy's own user and root; use sudo")]
    NotAllowed(PathBuf),
    /// Something else.
    #[error("cannot connect to {path}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// HTTP/2 did not come about.
    #[error("what listens at {path} is no runner proxy")]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What the transport said.
        #[source]
        source: tonic::transport::Error,
    },
}

/// A client of the daemon whose control socket is at `path`.
pub(crate) async fn connect(path: &Path) -> Result<ControlClient<Channel>, ControlError> {
    let path = path.to_owned();
    let stream = UnixStream::connect(&path).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning(path.clone())
        }
        io::ErrorKind::PermissionDenied => ControlError::NotAllowed(path.clone()),
        _ => ControlError::Connect { path: path.clone(), source },
    })?;
    // One connection for one command; the address stands for nothing.
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted)) }
    });
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
        .map_err(|source| ControlError::Protocol { path, source })?;
    Ok(ControlClient::new(channel))
}
