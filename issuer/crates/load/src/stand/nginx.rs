//! nginx serving the same bytes from disk: what a key set could be published with instead.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::binaries;
use super::child::{Child, ChildError, Environment};
use super::ports::free_addresses;
use crate::http1::Endpoint;
use crate::measure::ProcessId;

/// Why there is no nginx to compare with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NginxError {
    /// No free port.
    #[error("cannot find a free port on loopback")]
    Ports(#[source] io::Error),
    /// No files.
    #[error("cannot write {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// It did not start or stop.
    #[error("nginx did not run")]
    Process(#[source] ChildError),
}

/// A running nginx.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts one that serves `documents` (path, bytes); `None` if the system has none.
    pub(crate) async fn start(
        directory: &Path,
        documents: &[(&str, &[u8])],
    ) -> Result<Option<Self>, NginxError> {
        let Some(program) = binaries::nginx() else { return Ok(None) };
        let [address] = free_addresses().map_err(NginxError::Ports)?;
        for (path, bytes) in documents {
            write(&directory.join("www").join(path.trim_start_matches('/')), bytes)?;
        }
        let file = directory.join("nginx.conf");
        write(&file, configuration(directory, address).as_bytes())?;
        let (prefix, file) = (directory.to_string_lossy(), file.to_string_lossy());
        // Without -e it would open its compiled-in log first, which an ordinary user may not.
        let arguments = ["-p", &prefix, "-c", &file, "-e", "stderr"];
        let child =
            Child::start(&program, &arguments, &Environment::new(), &directory.join("nginx.log"));
        let mut child = child.map_err(NginxError::Process)?;
        let first = documents.first().map_or("/", |(path, _)| *path);
        child.ready(&Endpoint::Tcp(address), first).await.map_err(NginxError::Process)?;
        Ok(Some(Self { child, address }))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The master process; its children do the work.
    pub(crate) fn process(&self) -> ProcessId {
        self.child.id()
    }

    /// Stops it with its workers.
    pub(crate) async fn stop(self) -> Result<(), NginxError> {
        self.child.stop().await.map_err(NginxError::Process)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), NginxError> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, bytes))
        .map_err(|source| NginxError::File(path.to_owned(), source))
}

/// As many workers as the coordinator has threads, no log of requests, connections kept for ever,
/// `sendfile` and open files cached: nginx at its best.
fn configuration(directory: &Path, address: SocketAddr) -> String {
    let directory = directory.display();
    // Workers of a root master would change to a user who may not enter the directory.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        r"{user}
daemon off;
worker_processes auto;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 3600;
  keepalive_requests 1000000000;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  default_type application/json;
  client_body_temp_path {directory}/tmp-body;
  proxy_temp_path {directory}/tmp-proxy;
  fastcgi_temp_path {directory}/tmp-fastcgi;
  uwsgi_temp_path {directory}/tmp-uwsgi;
  scgi_temp_path {directory}/tmp-scgi;
  server {{
    listen {address};
    root {directory}/www;
    add_header Cache-Control 'public, max-age=3600';
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Connection;

    #[tokio::test]
    async fn the_same_bytes_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let documents: [(&str, &[u8]); 2] =
            [("/.well-known/a.json", b"{}"), ("/.well-known/b", b"[1]")];
        // A machine without nginx compares with nothing; where there is one, this must hold.
        let Some(nginx) = Nginx::start(directory.path(), &documents).await.unwrap() else { return };
        for (path, bytes) in documents {
            let mut open = Connection::open(&Endpoint::Tcp(nginx.address())).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            for _ in 0..3 {
                assert_eq!(open.exchange_ok(request.as_bytes()).unwrap(), bytes);
            }
        }
        assert!(nginx.process().with_children().unwrap().len() > 1);
        nginx.stop().await.unwrap();
    }
}
