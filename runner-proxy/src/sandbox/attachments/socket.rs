//! A socket that each sandbox has in its directory, of its own.
//!
//! Being inside the sandbox is the credential: whoever can reach the socket is there, since the directory's
//! parent is private.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{BindError, Limits, ListenAddress, Listener, Tls, UnixMode};

use super::super::stay::Stay;

/// Time for requests in flight on a socket that is closed: as long as a call to the coordinator may
/// take, and a little.
const DRAIN: Duration = Duration::from_secs(6);

/// One kind of socket: every sandbox has one of each.
pub(crate) struct SandboxSocket {
    /// Its name in the directory.
    pub(crate) name: &'static str,
    /// Of each sandbox's own.
    pub(crate) limits: Limits,
    /// Whether connections may become tunnels.
    pub(crate) is_proxy: bool,
    /// What is served to one sandbox.
    pub(crate) router_for: Box<dyn Fn(&Stay) -> Router + Send + Sync>,
}

impl SandboxSocket {
    /// Opens that of one sandbox, until its stay ends; `shutdown` waits for it.
    pub(super) fn open(
        &self,
        stay: &Stay,
        directory: &Path,
        shutdown: &Shutdown,
    ) -> Result<(), BindError> {
        let address = ListenAddress::Unix(directory.join(self.name));
        let listener = Listener::bind(&address, UnixMode::Everyone)?;
        let (limits, router) = (self.limits.clone(), (self.router_for)(stay));
        let is_proxy = self.is_proxy;
        let served = stay.served();
        shutdown.spawn(format!("{} of {}", self.name, stay.sandbox()), async move {
            if is_proxy {
                listener.serve_proxy(router, limits, &served).await;
            } else {
                listener.serve(router, limits, Tls::Off, &served).await;
            }
            // What is still running then is cut off by its own limits.
            let _drained = served.drain(DRAIN).await;
        });
        Ok(())
    }
}
