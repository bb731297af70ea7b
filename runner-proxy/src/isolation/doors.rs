//! Where a program in a network of its own finds what its sandbox was told of by address.
//!
//! The sandbox's sockets need no network, but most programs know proxies and URLs by TCP alone. So the addresses in
//! its environment are replaced by doors on its own loopback, each of which leads to one socket of its own
//! directory: the forward proxy without credentials, since being inside is one, and the token server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use http::Uri;

use super::IsolationError;
use crate::token::server::TokenServer;

/// Variables with the address of the forward proxy.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"];

/// Variables with the URL of the token server.
const TOKEN_URLS: [&str; 2] = ["MONEYER_TOKEN_URL", "ACTIONS_ID_TOKEN_REQUEST_URL"];

/// The socket of the forward proxy in a sandbox's directory.
const FORWARD_SOCKET: &str = crate::forward::ForwardProxy::SOCKET;

/// A listener in the program's network, and the socket it leads to.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    /// The socket's name in the sandbox's directory.
    pub(super) socket: &'static str,
}

/// Opens the doors that the variables ask for, and has the variables name them.
pub(super) fn open(variables: &mut [(String, String)]) -> Result<Vec<Door>, IsolationError> {
    let mut doors = Vec::new();
    for (names, socket) in [(&PROXIES[..], FORWARD_SOCKET), (&TOKEN_URLS[..], TokenServer::SOCKET)]
    {
        let Some(port) = variables.iter().find_map(|(name, value)| port(names, name, value)) else {
            continue;
        };
        let (listener, address) = listen(port)?;
        for (name, value) in variables.iter_mut() {
            if names.contains(&name.as_str())
                && let Some(replaced) = at_door(value, address)
            {
                *value = replaced;
            }
        }
        doors.push(Door { listener, socket });
    }
    Ok(doors)
}

fn port(names: &[&str], name: &str, value: &str) -> Option<u16> {
    let url = names.contains(&name).then(|| value.parse::<Uri>().ok())??;
    let by_scheme = if url.scheme_str() == Some("https") { 443 } else { 80 };
    Some(url.port_u16().unwrap_or(by_scheme))
}

/// The same URL at another address, without credentials.
fn at_door(url: &str, address: SocketAddr) -> Option<String> {
    let url = url.parse::<Uri>().ok()?;
    let path = url.path_and_query().map_or("", |path| path.as_str());
    // A proxy has no path, and some programs take one for a mistake.
    Some(format!("http://{address}{}", if path == "/" { "" } else { path }))
}

/// Listens at the port that the sandbox was told, or at another where two doors have the same.
fn listen(port: u16) -> Result<(TcpListener, SocketAddr), IsolationError> {
    let bind = |port| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind(port).or_else(|_taken| bind(0)).map_err(|source| IsolationError::Listen { port, source })
}

/// A socket of the sandbox's directory, whatever path leads there.
pub(super) fn path_of(directory: i32, socket: &str) -> std::path::PathBuf {
    Path::new("/proc/self/fd").join(directory.to_string()).join(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_name_doors_on_loopback_and_no_credentials() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap().port();
        let mut told = variables(&[
            ("HTTPS_PROXY", &format!("http://s-1:5a5a@proxy.internal:{taken}")),
            ("http_proxy", &format!("http://s-1:5a5a@proxy.internal:{taken}")),
            ("MONEYER_TOKEN_URL", &format!("http://10.0.0.1:{taken}/v1/sandboxes/s-1/token")),
            (
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                &format!("http://10.0.0.1:{taken}/v1/sandboxes/s-1/token?api-version=2.0"),
            ),
            ("MONEYER_TOKEN_FILE", "/run/moneyer/sandboxes/s-1/token"),
        ]);
        let doors = open(&mut told).unwrap();
        let sockets: Vec<_> = doors.iter().map(|door| door.socket).collect();
        assert_eq!(sockets, ["forward.sock", "identity.sock"]);
        let [proxy, tokens] = [0, 1].map(|at: usize| doors[at].listener.local_addr().unwrap());
        assert!(proxy.port() != taken && tokens.port() != taken && proxy != tokens);
        assert_eq!(told[0].1, format!("http://{proxy}"));
        assert_eq!(told[1].1, told[0].1);
        assert_eq!(told[2].1, format!("http://{tokens}/v1/sandboxes/s-1/token"));
        assert_eq!(told[3].1, format!("http://{tokens}/v1/sandboxes/s-1/token?api-version=2.0"));
        assert_eq!(told[4].1, "/run/moneyer/sandboxes/s-1/token");
    }

    #[test]
    fn no_variable_no_door() {
        let mut told = variables(&[("NO_PROXY", "localhost"), ("A", "http://127.0.0.1:1")]);
        assert_eq!(open(&mut told).unwrap().len(), 0);
        assert_eq!(told[1].1, "http://127.0.0.1:1");
    }

    #[test]
    fn a_port_is_that_of_the_url_or_of_its_scheme() {
        for (url, expected) in [("http://a:1/x", 1), ("https://a/x", 443), ("http://u:p@[::1]", 80)]
        {
            assert_eq!(port(&["A"], "A", url), Some(expected));
        }
        assert_eq!(port(&["A"], "B", "http://a:1"), None);
    }
}
