//! What needs more than one key, or more than its type, to be judged.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::settings::{SettingsErrors, Source, Span, load};

use super::Config;

/// Longest jitter: with it, even tokens that live a day are renewed well within their first half.
const LONGEST_JITTER: Span = Span::from_secs(3600);

/// Smallest file of the audit log: fewer would be a file for each group of records.
const MINIMUM_ROTATE_BYTES: u64 = 64 * 1024;

/// Smallest reserve of the audit log: what may be in flight takes less.
const MINIMUM_RESERVE_BYTES: u64 = 1024 * 1024;

/// Shortest age at which what the coordinator said is gone by no more.
const SHORTEST_AGE: Span = Span::from_secs(60);

impl Config {
    /// Reads and checks the configuration of `source`.
    pub fn load(source: &Source) -> Result<Self, SettingsErrors> {
        let config: Self = load(source)?;
        let mut errors = SettingsErrors::new();
        let mut wrong = |key: &str, message: &str| errors.push(source.position(key), message);
        config.check_paths(&mut wrong);
        config.check_addresses(&mut wrong);
        config.check_forward(&mut wrong);
        if config.tokens.jitter > LONGEST_JITTER {
            wrong("tokens.jitter", "is longer than 1h, the most that is allowed");
        }
        if !config.workload_api.x509 && !config.workload_api.jwt {
            wrong("workload_api.x509", "and workload_api.jwt are both off; one profile must be on");
        }
        let (limits, forward) = (&config.limits, &config.forward);
        for (key, limit) in [
            ("limits.cached_tokens_per_sandbox", limits.cached_tokens_per_sandbox),
            ("limits.requests_under_way_per_sandbox", limits.requests_under_way_per_sandbox),
            ("limits.connections_per_sandbox", limits.connections_per_sandbox),
            ("limits.connections_per_address", limits.connections_per_address),
            ("forward.tunnels_per_sandbox", forward.tunnels_per_sandbox),
            ("forward.connections_per_sandbox", forward.connections_per_sandbox),
        ] {
            if limit == 0 {
                wrong(key, "must be at least 1");
            }
        }
        for (key, bytes, least) in [
            ("audit.rotate_bytes", config.audit.rotate_bytes, MINIMUM_ROTATE_BYTES),
            ("audit.reserve_bytes", config.audit.reserve_bytes, MINIMUM_RESERVE_BYTES),
        ] {
            if bytes < least {
                wrong(key, &format!("must be at least {least}"));
            }
        }
        errors.into_result(config)
    }

    fn check_paths(&self, wrong: &mut impl FnMut(&str, &str)) {
        let mut check = |key: &str, path: &Path| {
            if !path.is_absolute() {
                wrong(key, "must be an absolute path");
            } else if !plain(path) {
                wrong(
                    key,
                    "must have neither blanks nor control characters: it ends up in env files",
                );
            }
        };
        check("runner.state", &self.runner.state);
        check("runner.run", &self.runner.run);
        if !self.sandboxes.mount.as_os_str().is_empty() {
            check("sandboxes.mount", &self.sandboxes.mount);
        }
        if let Some(socket) = &self.control.socket {
            check("control.socket", socket);
        }
        if let Some(path) = &self.audit.path {
            check("audit.path", path);
        }
    }

    fn check_addresses(&self, wrong: &mut impl FnMut(&str, &str)) {
        let server = &self.token_server;
        match &server.listen {
            ListenAddress::Unix(_) => wrong(
                "token_server.listen",
                "must be a TCP address such as 127.0.0.1:8484; each sandbox has a socket anyway",
            ),
            ListenAddress::Tcp(tcp) if tcp.ip().is_unspecified() && server.url.is_empty() => wrong(
                "token_server.url",
                "is needed where token_server.listen names no single address; write the URL that \
                 sandboxes reach it under, such as http://10.0.0.1:8484",
            ),
            ListenAddress::Tcp(_) => {}
        }
        if !server.url.is_empty() && self.token_server_host().is_none() {
            wrong("token_server.url", "must be http:// or https:// with a host and no path");
        }
        match &self.operations.listen {
            Some(ListenAddress::Tcp(tcp))
                if !tcp.ip().is_loopback() && !self.operations.insecure =>
            {
                wrong(
                    "operations.listen",
                    "can be reached by others, and metrics have no authentication; listen on \
                     127.0.0.1, or set operations.insecure = true",
                );
            }
            _ => {}
        }
    }

    fn check_forward(&self, wrong: &mut impl FnMut(&str, &str)) {
        let forward = &self.forward;
        match &forward.listen {
            Some(ListenAddress::Unix(_)) => wrong(
                "forward.listen",
                "must be a TCP address such as 127.0.0.1:8486; each sandbox has a socket anyway",
            ),
            Some(ListenAddress::Tcp(tcp))
                if tcp.ip().is_unspecified() && forward.address.is_empty() =>
            {
                wrong(
                    "forward.address",
                    "is needed where forward.listen names no single address; write the host and \
                     port that sandboxes reach it under, such as 10.0.0.1:8486",
                );
            }
            _ => {}
        }
        let authority = forward.address.parse::<http::uri::Authority>();
        let whole = authority.is_ok_and(|authority| {
            authority.port_u16().is_some_and(|port| port > 0)
                && !authority.host().is_empty()
                && !authority.as_str().contains('@')
        });
        if !forward.address.is_empty() && !whole {
            wrong("forward.address", "must be a host and a port, such as 10.0.0.1:8486");
        }
        if self.grants.max_age < SHORTEST_AGE {
            wrong(
                "grants.max_age",
                "is shorter than 1m: the coordinator is away that long when it restarts",
            );
        }
        if let Some(socket) = &self.grants.workload_api_socket
            && !socket.is_absolute()
        {
            wrong("grants.workload_api_socket", "must be an absolute path");
        }
    }

    /// The host and port that sandboxes find the forward proxy at, which listens on `bound`.
    pub(crate) fn forward_address(&self, bound: SocketAddr) -> String {
        let named = &self.forward.address;
        if named.is_empty() { bound.to_string() } else { named.clone() }
    }

    /// The host of `token_server.url`, if there is a proper one.
    pub(crate) fn token_server_host(&self) -> Option<String> {
        let url = &self.token_server.url;
        let authority = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let parsed: http::uri::Authority = authority.parse().ok()?;
        let whole = !parsed.host().is_empty() && !authority.contains('@');
        whole.then(|| parsed.host().to_owned())
    }

    /// What `MONEYER_TOKEN_URL` begins with, for a server that listens on `bound`.
    pub(crate) fn token_server_url(&self, bound: SocketAddr) -> String {
        if self.token_server.url.is_empty() {
            format!("http://{bound}")
        } else {
            self.token_server.url.clone()
        }
    }

    /// The control socket's path.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        let named = self.control.socket.clone();
        named.unwrap_or_else(|| self.runner.run.join("control.sock"))
    }

    /// The directory of the sandboxes' directories.
    pub(crate) fn sandboxes_directory(&self) -> PathBuf {
        self.runner.run.join("sandboxes")
    }

    /// The directory of the audit log.
    pub(crate) fn audit_directory(&self) -> PathBuf {
        self.audit.path.clone().unwrap_or_else(|| self.runner.state.join("audit"))
    }

    /// Where sandboxes see their directory, if not where it is.
    pub(crate) fn sandboxes_mount(&self) -> Option<PathBuf> {
        let mount = &self.sandboxes.mount;
        (!mount.as_os_str().is_empty()).then(|| mount.clone())
    }

    /// The file with this host's certificate and key.
    pub(crate) fn membership_file(&self) -> PathBuf {
        self.runner.state.join("membership.json")
    }
}

/// Whether a path can stand in an environment file without quotes.
fn plain(path: &Path) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '$');
    path.to_str().is_some_and(|text| !text.contains(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Config, String> {
        let source = Source::from_parts("runner-proxy.toml", text, "MONEYER", &[]);
        Config::load(&source).map_err(|errors| errors.to_string())
    }

    const SMALLEST: &str = "[coordinator]\ntrust_domain = \"id.example.com\"\n";

    #[test]
    fn one_key_is_enough() {
        let config = load_text(SMALLEST).unwrap();
        assert_eq!(config.coordinator.address.as_str(), "127.0.0.1:8482");
        assert_eq!(config.control_socket(), Path::new("/run/moneyer/control.sock"));
        assert_eq!(config.token_server_url(([127, 0, 0, 1], 8484).into()), "http://127.0.0.1:8484");
        assert!(config.operations.listen.is_none());
    }

    #[test]
    fn what_is_shown_is_read_back_the_same() {
        let config = load_text(SMALLEST).unwrap();
        let shown = moneyer_daemon::settings::show(&config).unwrap();
        let again = load_text(&shown).unwrap();
        assert_eq!(moneyer_daemon::settings::show(&again).unwrap(), shown);
    }

    #[test]
    fn all_errors_come_together_with_their_lines() {
        let text =
            "[coordinator]\naddress = \"nowhere\"\n[runner]\nstate = \"here\"\n[token_sever]\n";
        let errors = load_text(text).unwrap_err();
        for part in ["runner-proxy.toml:2:", "host:port", "trust_domain", "token_sever"] {
            assert!(errors.contains(part), "{part} not in:\n{errors}");
        }
    }

    #[test]
    fn values_are_checked_against_each_other() {
        for (section, key) in [
            ("[runner]\nstate = \"here\"", "runner.state"),
            ("[runner]\nrun = \"/with blank\"", "runner.run"),
            ("[sandboxes]\nmount = \"relative\"", "sandboxes.mount"),
            ("[token_server]\nlisten = \"unix:/a\"", "token_server.listen"),
            ("[token_server]\nlisten = \"0.0.0.0:1\"", "token_server.url"),
            ("[token_server]\nurl = \"http://a/b\"", "token_server.url"),
            ("[token_server]\nurl = \"ftp://a\"", "token_server.url"),
            ("[operations]\nlisten = \"0.0.0.0:1\"", "operations.listen"),
            ("[tokens]\njitter = \"2h\"", "tokens.jitter"),
            ("[workload_api]\nx509 = false\njwt = false", "workload_api.x509"),
            ("[limits]\ncached_tokens_per_sandbox = 0", "limits.cached_tokens_per_sandbox"),
            ("[forward]\nlisten = \"unix:/a\"", "forward.listen"),
            ("[forward]\nlisten = \"0.0.0.0:1\"", "forward.address"),
            ("[forward]\naddress = \"a\"", "forward.address"),
            ("[forward]\naddress = \"u@a:1\"", "forward.address"),
            ("[forward]\ntunnels_per_sandbox = 0", "forward.tunnels_per_sandbox"),
            ("[audit]\npath = \"a\"", "audit.path"),
            ("[audit]\nrotate_bytes = 65535", "audit.rotate_bytes"),
            ("[audit]\nreserve_bytes = 1048575", "audit.reserve_bytes"),
            ("[forward]\nconnections_per_sandbox = 0", "forward.connections_per_sandbox"),
            ("[grants]\nmax_age = \"59s\"", "grants.max_age"),
            ("[grants]\nworkload_api_socket = \"a\"", "grants.workload_api_socket"),
        ] {
            let errors = load_text(&format!("{SMALLEST}{section}\n")).unwrap_err();
            assert!(errors.contains(key), "{section}:\n{errors}");
        }
        let good = "[token_server]\nlisten = \"0.0.0.0:1\"\nurl = \"http://10.0.0.1:1\"\n\
                    [operations]\nlisten = \"0.0.0.0:2\"\ninsecure = true\n";
        let config = load_text(&format!("{SMALLEST}{good}")).unwrap();
        assert_eq!(config.token_server_host().as_deref(), Some("10.0.0.1"));
    }
}
