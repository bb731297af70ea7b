//! Where the database is, as a connection URL says it (PostgreSQL manual, 34.1.1.2).
//!
//! ```text
//! postgres://USER[:PASSWORD]@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?sslmode=disable]
//! ```
//!
//! Several hosts are tried in their order for one that may be written. A host that begins with `/` is the directory
//! of a Unix socket, percent-encoded or as the parameter `host`. TLS with a verified name is not asked for but what
//! there is; `sslmode=disable` switches it off, for servers of this machine alone. Whatever else the client library
//! knows is refused: it would be silently another meaning. Neither errors nor `Debug` show a part of the URL that
//! may be secret.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// The port where none is named.
const DEFAULT_PORT: u16 = 5432;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// By name or address.
    Tcp(String, u16),
    /// By the directory of its socket.
    Socket(PathBuf, u16),
}

impl Host {
    /// Whether nothing that is said to it leaves this machine.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Socket(..) => true,
            Self::Tcp(name, _) => {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Socket(directory, port) => write!(f, "{}/.s.PGSQL.{port}", directory.display()),
        }
    }
}

/// Why a text is no such URL. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// It is of another kind.
    #[error("must begin with postgres:// or postgresql://")]
    Scheme,
    /// A part is missing.
    #[error("names no {0}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Missing(&'static str),
    /// A percent sign is followed by something else than two hexadecimal digits, or by no text.
    #[error("has a {0} that is not percent-encoded text")]
    Encoding(&'static str),
    /// A port is no port.
    #[error("has a port that is no number from 1 to 65535 (host {0} of its list)")]
    Port(usize),
    /// The client library would take this parameter, and it means nothing here.
    #[error(
        "has the parameter {0}, which is not taken here; taken are host, sslmode (verify-full or disable) \
         and target_session_attrs=read-write"
    )]
    Parameter(String),
    /// TLS that verifies less than everything.
    #[error(
        "has an sslmode other than verify-full and disable: TLS without a verified name keeps nobody out; \
         name the CA in store.ca_file"
    )]
    SslMode,
}

/// A connection URL.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) password: Option<SecretString>,
    pub(super) database: String,
    /// Without TLS.
    pub(super) plain: bool,
}

impl DatabaseUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let scheme = ["postgres://", "postgresql://"];
        let rest = scheme.iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(DatabaseUrlError::Scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, list) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password, "password")?)),
            None => (login, None),
        };
        let mut url = Self {
            hosts: Vec::new(),
            user: decoded(user, "user")?,
            password: password.map(SecretString::from),
            database: decoded(database, "database")?,
            plain: false,
        };
        for (at, host) in list.split(',').filter(|host| !host.is_empty()).enumerate() {
            url.hosts.push(host_of(host, at.saturating_add(1))?);
        }
        url.take_parameters(query)?;
        for (missing, name) in [
            (url.user.is_empty(), "user"),
            (url.database.is_empty(), "database"),
            (url.hosts.is_empty(), "host"),
        ] {
            if missing {
                return Err(DatabaseUrlError::Missing(name));
            }
        }
        Ok(url)
    }

    /// The servers that would be told everything in plain although they are not of this machine.
    pub fn plain_hosts(&self) -> impl Iterator<Item = String> {
        let plain = self.plain;
        self.hosts.iter().filter(move |host| plain && !host.is_local()).map(ToString::to_string)
    }

    /// Every server, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        format!("{} at {}", self.database, hosts.join(", "))
    }

    fn take_parameters(&mut self, query: &str) -> Result<(), DatabaseUrlError> {
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decoded(value, "parameter")?;
            match (name, value.as_str()) {
                ("host", directory) if directory.starts_with('/') => {
                    self.hosts.push(Host::Socket(directory.into(), DEFAULT_PORT));
                }
                ("sslmode", "disable") => self.plain = true,
                ("sslmode", "verify-full") | ("target_session_attrs", "read-write") => {}
                ("sslmode", _) => return Err(DatabaseUrlError::SslMode),
                _ => return Err(DatabaseUrlError::Parameter(name.escape_default().to_string())),
            }
        }
        Ok(())
    }
}

fn decoded(text: &str, part: &'static str) -> Result<String, DatabaseUrlError> {
    let mut escapes = text.split('%').skip(1);
    let sound = |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !escapes.all(sound) {
        return Err(DatabaseUrlError::Encoding(part));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.or(Err(DatabaseUrlError::Encoding(part)))?.into_owned())
}

fn host_of(text: &str, at: usize) -> Result<Host, DatabaseUrlError> {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0),
        None => Some(DEFAULT_PORT),
    };
    let port = port.ok_or(DatabaseUrlError::Port(at))?;
    let name = decoded(name, "host")?;
    Ok(if name.starts_with('/') { Host::Socket(name.into(), port) } else { Host::Tcp(name, port) })
}

/// Without the password.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({}, ..)", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        DatabaseUrl::parse(text).unwrap().hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn several_hosts_keep_their_order_and_their_ports() {
        let text = "postgres://u:p@a.example,b.example:5433,[2001:db8::1]:6,[::1]/db";
        assert_eq!(
            hosts(text),
            ["a.example:5432", "b.example:5433", "[2001:db8::1]:6", "[::1]:5432"]
        );
        let socket = "/run/pg/.s.PGSQL.5432";
        assert_eq!(hosts("postgres://u@/db?host=/run/pg"), [socket]);
        assert_eq!(hosts("postgresql://u@%2Frun%2Fpg/db?sslmode=disable"), [socket]);
    }

    #[test]
    fn user_and_password_are_decoded_and_never_shown() {
        use secrecy::ExposeSecret as _;
        let url =
            DatabaseUrl::parse("postgres://mo%40n:p%3Aa:ss%2F@h/db?sslmode=verify-full").unwrap();
        assert_eq!(url.user, "mo@n");
        assert_eq!(url.password.as_ref().unwrap().expose_secret(), "p:a:ss/");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(db at h:5432, ..)");
    }

    #[test]
    fn what_is_no_url_of_a_database_is_refused_by_its_part_and_not_repeated() {
        let refused = |text: &str| DatabaseUrl::parse(text).unwrap_err();
        assert_eq!(refused("mysql://secret@h/d"), DatabaseUrlError::Scheme);
        assert_eq!(refused("postgres://h/d"), DatabaseUrlError::Missing("user"));
        assert_eq!(refused("postgres://u:secret@h"), DatabaseUrlError::Missing("database"));
        assert_eq!(refused("postgres://u:secret@/d"), DatabaseUrlError::Missing("host"));
        assert_eq!(refused("postgres://u:%zz@h/d"), DatabaseUrlError::Encoding("password"));
        assert_eq!(refused("postgres://u:%ff@h/d"), DatabaseUrlError::Encoding("password"));
        assert_eq!(refused("postgres://u@h,g:0/d"), DatabaseUrlError::Port(2));
        assert_eq!(refused("postgres://u@h/d?sslmode=require"), DatabaseUrlError::SslMode);
        assert_eq!(
            refused("postgres://u@h/d?options=-c"),
            DatabaseUrlError::Parameter("options".to_owned())
        );
        for text in
            ["mysql://secret@h/d", "postgres://u:secret%zz@h/d", "postgres://u:secret@h:x/d"]
        {
            assert!(!refused(text).to_string().contains("secret"), "{text}");
        }
    }

    #[test]
    fn plain_leaves_this_machine_only_where_that_is_seen() {
        let plain = |hosts: &str| {
            let url =
                DatabaseUrl::parse(&format!("postgres://u@{hosts}/d?sslmode=disable")).unwrap();
            url.plain_hosts().collect::<Vec<_>>()
        };
        assert_eq!(plain("127.0.0.1,[::1],localhost,%2Frun"), Vec::<String>::new());
        assert_eq!(plain("127.0.0.1,10.0.0.1,db:1"), ["10.0.0.1:5432", "db:1"]);
        let url = DatabaseUrl::parse("postgres://u@10.0.0.1/d").unwrap();
        assert_eq!(url.plain_hosts().count(), 0, "it is TLS");
    }
}
