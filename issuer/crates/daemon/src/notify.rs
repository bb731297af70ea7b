//! Telling the service manager how the daemon is (`sd_notify(3)`).
//!
//! A datagram of `NAME=value` lines goes to the Unix socket that `NOTIFY_SOCKET` names: a path, or with `@` in
//! front an abstract name. Without the variable nobody listens and nothing is sent, so that a daemon runs the
//! same in a terminal or a container. What cannot be sent is logged and changes nothing: a daemon does not end
//! because nobody hears it.
//!
//! The watchdog is fed by a proof and not by a timer: [`ServiceManager::watch`] sends a beat only after the
//! daemon's own check has passed. A check that fails or hangs is no beat, and when `WATCHDOG_USEC` have gone by
//! without one the manager ends the daemon and starts another.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Checks that fit into the time without a beat after which the manager ends the daemon: a single one that
/// fails, on a machine that is busy for a moment, is not the end.
const WAITS_IN_A_LIFE: u32 = 4;

/// Who started this daemon and wants to hear of it, if anybody does.
#[derive(Debug, Clone, Default)]
pub struct ServiceManager {
    socket: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// As the environment says. The variables stay: no child is started that could mistake them for its own.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let socket = variable("NOTIFY_SOCKET").and_then(|name| {
            let address = address(name.as_bytes());
            if let Err(error) = &address {
                tracing::warn!(error.cause = %error, "NOTIFY_SOCKET names no socket; nothing is told");
            }
            address.ok()
        });
        let (micros, pid) = (text("WATCHDOG_USEC"), text("WATCHDOG_PID"));
        let own = rustix::process::getpid().as_raw_nonzero().to_string();
        Self { socket, watchdog: watchdog(micros.as_deref(), pid.as_deref(), &own) }
    }

    /// Says that the daemon does its work.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Says that the daemon is on its way down, on purpose.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Checks for ever, and sends a beat after each check that passed. Returns at once where no watchdog is set.
    ///
    /// A check has until the next one is due; one that takes longer is given up and has failed.
    pub async fn watch<C, E>(&self, check: impl Fn() -> C + Send + Sync)
    where
        C: Future<Output = Result<(), E>> + Send,
        E: fmt::Display + Send,
    {
        let Some(limit) = self.watchdog else { return };
        let every = limit / WAITS_IN_A_LIFE;
        let mut due = interval(every);
        // One that came late is no reason to hurry the next.
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            match timeout_at(Instant::now() + every, check()).await {
                Ok(Ok(())) => self.tell("WATCHDOG=1"),
                Ok(Err(error)) => tracing::error!(
                    error.cause = %error,
                    "the self-check failed; the service manager ends a daemon that goes on so"
                ),
                Err(_) => tracing::error!(
                    check.seconds = every.as_secs(),
                    "the self-check did not end; the service manager ends a daemon that goes on so"
                ),
            }
        }
    }

    fn tell(&self, what: &'static str) {
        let Some(address) = &self.socket else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            // A manager that reads nothing must not hold up a daemon.
            socket.set_nonblocking(true)?;
            socket.send_to_addr(what.as_bytes(), address)
        });
        if let Err(error) = sent {
            tracing::warn!(error.cause = %error, notify.told = what, "the service manager was not told");
        }
    }
}

/// A path, or an abstract name behind `@`.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with(b"/") => {
            SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(name)))
        }
        None => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

/// How long the manager waits for a beat, if it waits for this process at all.
fn watchdog(micros: Option<&str>, pid: Option<&str>, own: &str) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != own) {
        return None;
    }
    let limit = Duration::from_micros(micros?.parse().ok()?);
    // A timer has no shorter steps; nobody asks for such a watchdog.
    (limit / WAITS_IN_A_LIFE >= Duration::from_millis(1)).then_some(limit)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Manager {
        _directory: tempfile::TempDir,
        hears: UnixDatagram,
        told: ServiceManager,
    }

    impl Manager {
        fn new(watchdog: Option<Duration>) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("notify");
            let hears = UnixDatagram::bind(&path).unwrap();
            hears.set_nonblocking(true).unwrap();
            let socket = Some(address(path.as_os_str().as_bytes()).unwrap());
            Self { _directory: directory, hears, told: ServiceManager { socket, watchdog } }
        }

        fn heard(&self) -> Vec<String> {
            let mut buffer = [0; 64];
            let mut heard = Vec::new();
            while let Ok(length) = self.hears.recv(&mut buffer) {
                heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            heard
        }
    }

    #[test]
    fn a_manager_hears_of_the_beginning_and_the_end() {
        let manager = Manager::new(None);
        manager.told.ready();
        manager.told.stopping();
        assert_eq!(manager.heard(), ["READY=1", "STOPPING=1"]);
    }

    #[test]
    fn an_abstract_name_is_a_socket_too() {
        let name = format!("@moneyer-notify-{}", rustix::process::getpid().as_raw_nonzero());
        let socket = address(name.as_bytes()).unwrap();
        let hears = UnixDatagram::bind_addr(&socket).unwrap();
        ServiceManager { socket: Some(socket), watchdog: None }.ready();
        let mut buffer = [0; 64];
        let length = hears.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
    }

    #[test]
    fn nobody_is_told_where_nobody_listens() {
        for odd in [&b"relative"[..], b"", b"vsock:2:1234"] {
            assert!(address(odd).is_err(), "{odd:?}");
        }
        ServiceManager::default().ready();
        let gone = Manager::new(None);
        let told = gone.told.clone();
        drop(gone);
        told.ready();
    }

    #[test]
    fn a_watchdog_is_this_processs_or_none() {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(watchdog(Some("60000000"), None, "7"), minute);
        assert_eq!(watchdog(Some("60000000"), Some("7"), "7"), minute);
        assert_eq!(watchdog(Some("60000000"), Some("8"), "7"), None);
        for odd in [None, Some(""), Some("0"), Some("-1"), Some("1e6"), Some("3999")] {
            assert_eq!(watchdog(odd, None, "7"), None, "{odd:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_follows_a_check_that_passed_and_no_other() {
        let manager = Manager::new(Some(Duration::from_secs(60)));
        let checks = AtomicUsize::new(0);
        // Good, bad, one that hangs, good.
        let check = || async {
            match checks.fetch_add(1, Ordering::Relaxed) {
                1 => Err("bad"),
                2 => std::future::pending().await,
                _ => Ok(()),
            }
        };
        let watching = manager.told.watch(check);
        // Checks begin at 0, 15, 30 and 45 s.
        tokio::time::timeout(Duration::from_secs(50), watching).await.unwrap_err();
        assert_eq!(checks.load(Ordering::Relaxed), 4);
        assert_eq!(manager.heard(), ["WATCHDOG=1", "WATCHDOG=1"]);
    }

    #[tokio::test]
    async fn nothing_is_checked_where_no_watchdog_waits() {
        let manager = Manager::new(None);
        manager.told.watch(|| async { Err::<(), _>("never asked") }).await;
        assert_eq!(manager.heard(), Vec::<String>::new());
    }
}
