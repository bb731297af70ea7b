//! The command line's end of the management API.

use std::path::Path;

use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::settings::Source;
use moneyer_daemon::unix_http::{Method, UnixClient};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::failure::Failure;
use crate::config::Config;

/// What is read of a refusal.
#[derive(serde::Deserialize)]
struct Problem {
    detail: String,
}

/// Calls a coordinator over its management socket.
#[derive(Debug)]
pub(super) struct Client {
    http: UnixClient,
}

impl Client {
    /// By the socket that was named, else by the one in the configuration.
    pub(super) fn new(socket: Option<&Path>, config: &Path) -> Result<Self, Failure> {
        if let Some(socket) = socket {
            return Ok(Self { http: UnixClient::new(socket.to_owned()) });
        }
        let (config, _) = Config::load(&Source::read(config, "MONEYER")?)?;
        match config.listen.management {
            ListenAddress::Unix(path) => Ok(Self { http: UnixClient::new(path) }),
            ListenAddress::Tcp(address) => {
                Err(Failure::usage(format!("{address} is not a Unix socket")))
            }
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.call(Method::GET, path, Vec::new()).await?)
    }

    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Failure> {
        read(&self.call(Method::PUT, path, write(body)?).await?)
    }

    /// Where there is nothing to be told but that it is done.
    pub(super) async fn change(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<(), Failure> {
        self.call(Method::PUT, path, write(body)?).await.map(drop)
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Failure> {
        read(&self.call(Method::POST, path, write(body)?).await?)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, path, Vec::new()).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let answer = self
            .http
            .request(method, path, body)
            .await
            .map_err(|error| Failure::of("cannot ask the coordinator", &error))?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let detail = serde_json::from_slice::<Problem>(&answer.body)
            .map_or_else(|_| format!("the coordinator answered {}", answer.status), |p| p.detail);
        Err(Failure::new(detail))
    }
}

fn write(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::of("cannot write the request", &error))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::of("cannot read the answer", &error))
}
