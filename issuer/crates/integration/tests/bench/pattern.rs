//! Jwtlet's **call pattern**: not Jwtlet, which is not here, and none of its own work.
//!
//! For each exchange it asks what Jwtlet asks, one after the other, and remembers nothing: a `TokenReview`, the transit
//! key for the number of its newest version, and a signature. Connections are kept, one to each server. What Jwtlet
//! does beside is left out (its own listener, its queries where mappings are in PostgreSQL, what it makes of the
//! answers), so that it is rather faster here than it can be.

use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_load::http1::Connection;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::figures::Line;
use crate::models::{Models, REVIEWER, VAULT_TOKEN};

/// The transit key, named as Jwtlet names one.
pub(crate) const PATTERN_KEY: &str = "signing-pc1";

/// About the length of a token before its signature, in bytes.
const SIGNED_BYTES: usize = 600;

type Kept = Connection<StreamOwned<ClientConnection, TcpStream>>;

/// One that exchanges these tokens in turn.
pub(crate) fn line(models: &Models, tokens: &[String], from: usize) -> Line {
    let (mut api_server, mut vault) = (connect(models), connect(models));
    let reviews: Vec<_> = tokens.iter().map(|token| review(token)).collect();
    let path = format!("/v1/transit/keys/{PATTERN_KEY}");
    let vault_field = format!("X-Vault-Token: {VAULT_TOKEN}");
    let look = request("GET", &path, &vault_field, &Value::Null);
    let input = STANDARD.encode(vec![b'x'; SIGNED_BYTES]);
    let body =
        json!({ "input": input, "marshaling_algorithm": "jws", "signature_algorithm": "pkcs1v15" });
    let sign = request("POST", &format!("/v1/transit/sign/{PATTERN_KEY}"), &vault_field, &body);
    let mut next = from;
    Box::new(move || {
        let review = &reviews[next % reviews.len()];
        next += 1;
        let (status, answer) = api_server.exchange(review).unwrap();
        let answer: Value = serde_json::from_slice(answer).unwrap();
        assert_eq!((status, &answer["status"]["authenticated"]), (201, &json!(true)), "{answer}");
        vault.exchange_ok(&look).unwrap();
        vault.exchange_ok(&sign).unwrap();
    })
}

fn review(token: &str) -> Vec<u8> {
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": { "token": token, "audiences": ["moneyer"] },
    });
    let shown = format!("Authorization: Bearer {REVIEWER}");
    request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", &shown, &body)
}

fn request(method: &str, path: &str, field: &str, body: &Value) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn connect(models: &Models) -> Kept {
    let mut roots = RootCertStore::empty();
    roots.add(models.ca.der.clone().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(models.address).unwrap();
    stream.set_nodelay(true).unwrap();
    Connection::over(StreamOwned::new(tls, stream))
}
