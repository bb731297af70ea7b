//! A coordinator that exchanges the tokens of the models' cluster.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use moneyer_load::http1::{Connection, Endpoint};
use moneyer_load::stand::{Binaries, Coordinator, Environment};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::figures::Line;
use crate::models::{CLUSTER, Models, REVIEWER, VAULT_TOKEN};

/// What an exchange asks of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing: the cluster's key set, and keys of its own.
    Offline,
    /// The API server, whose answers are remembered; keys of its own.
    Reviewed,
    /// The API server, whose answers are remembered; Vault for each signature.
    ReviewedAndVault,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Offline, Self::Reviewed, Self::ReviewedAndVault];

    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Offline => "Moneyer, `jwks`, local signer",
            Self::Reviewed => "Moneyer, `both`, local signer",
            Self::ReviewedAndVault => "Moneyer, `both`, Vault",
        }
    }

    /// The tables of its configuration.
    fn tables(self, models: &Models, directory: &Path) -> String {
        let verify = if self == Self::Offline { "jwks" } else { "both" };
        let url = models.url();
        let ca = written(directory, "ca.pem", &models.ca.pem);
        let bearer = written(directory, "bearer", REVIEWER);
        let mut tables = format!(
            "\n[[exchange.cluster]]\nname = 'prod'\nplain_clients = true\nissuer = '{CLUSTER}'\nverify = '{verify}'\n\
             audiences = ['moneyer']\napi_server = '{url}'\nca_file = '{}'\nbearer_file = '{}'\n",
            ca.display(),
            bearer.display()
        );
        if self == Self::ReviewedAndVault {
            let token = written(directory, "vault-token", VAULT_TOKEN);
            write!(
                tables,
                "\n[signer]\nbackend = 'vault'\n[signer.vault]\naddress = '{url}'\nca_file = '{}'\ntoken_file = '{}'\n",
                ca.display(),
                token.display()
            )
            .unwrap();
        }
        tables
    }
}

/// A file that its owner alone may read.
pub(crate) fn written(directory: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A running coordinator, ready to exchange.
pub(crate) struct Issuer {
    pub(crate) coordinator: Coordinator,
    pub(crate) directory: tempfile::TempDir,
    exchange: SocketAddr,
}

impl Issuer {
    /// One whose tokens are signed by this algorithm, with settings of its own; no limit on exchanges a second.
    pub(crate) async fn start(
        mode: Mode,
        models: &Models,
        algorithm: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let exchange = free.unwrap();
        let address = exchange.to_string();
        let own = [
            ("MONEYER__KEYS__ALGORITHM", algorithm),
            ("MONEYER__LISTEN__EXCHANGE", address.as_str()),
            ("MONEYER__LIMITS__CLIENT_EXCHANGES_PER_SECOND", "1000000"),
            ("MONEYER__LIMITS__ISSUER_EXCHANGES_PER_SECOND", "1000000"),
        ];
        let all = own.iter().chain(settings);
        let environment: Environment =
            all.map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let tables = mode.tables(models, directory.path());
        let binaries = Binaries::in_directory(Some(&binary_directory()));
        let coordinator =
            Coordinator::start_with(&binaries, directory.path(), environment, &tables);
        Self { coordinator: coordinator.await.unwrap(), directory, exchange }
    }

    /// Lets every service account of the namespace have tokens for `pc1`.
    pub(crate) fn map(&self) {
        let client = "system:serviceaccount:ns1:*";
        let body =
            json!([{ "clientIdentifier": client, "participantContext": "pc1", "scopes": [] }]);
        let body = body.to_string();
        let request = format!(
            "PUT /api/v1/mappings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let socket = self.directory.path().join("management.sock");
        // An answer without a body has no length, so the status is all there is to read.
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut status = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut status).unwrap();
        assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 204");
    }

    /// Exchanges each token once, and waits until that can be done: the cluster's key set has to be there.
    pub(crate) async fn warm(&self, tokens: &[String]) {
        let mut connection = Connection::open(&Endpoint::Tcp(self.exchange)).unwrap();
        let give_up = Instant::now() + Duration::from_secs(30);
        for token in tokens {
            loop {
                let (status, answer) = connection.exchange(&request(token)).unwrap();
                if status == 200 {
                    break;
                }
                let answer = String::from_utf8_lossy(answer);
                assert!(Instant::now() < give_up, "no exchange: {status} {answer}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// One that exchanges these tokens in turn.
    pub(crate) fn line(&self, tokens: &[String], from: usize) -> Line {
        let mut connection = Connection::open(&Endpoint::Tcp(self.exchange)).unwrap();
        let requests: Vec<_> = tokens.iter().map(|token| request(token)).collect();
        let mut next = from;
        Box::new(move || {
            let answer = connection.exchange_ok(&requests[next % requests.len()]).unwrap();
            let answer: Value = serde_json::from_slice(answer).unwrap();
            assert!(answer["access_token"].is_string(), "{answer}");
            next += 1;
        })
    }

    /// CPU time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        self.coordinator.cpu_time().expect("it runs")
    }
}

fn request(token: &str) -> Vec<u8> {
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={token}&\
         subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&resource=pc1"
    );
    format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Where `cargo build` puts the daemons, seen from a test binary in `deps`.
pub(crate) fn binary_directory() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().to_owned()
}
