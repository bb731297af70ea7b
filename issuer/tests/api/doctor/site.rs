//! A public host.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, Uri};
use moneyer::doctor::{
    Finding, Inside, IssuerAddress, Limits, Look, Names, Severity, Told, examine,
};
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits as Connections, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_identity::SystemClock;
use moneyer_testkit::{FixtureKey, TestCa};
use serde_json::{Value, json};

pub(crate) const HOST: &str = "id.example.com";
pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(crate) const KEY_SET: &str = "/.well-known/jwks.json";

/// How a path is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) after: Duration,
}

impl Answered {
    pub(crate) fn json(body: &Value) -> Self {
        let fields = [("content-type", "application/json"), ("cache-control", "max-age=3600")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = serde_json::to_vec(body).unwrap();
        Self { status: 200, fields, body, after: Duration::ZERO }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    async fn response(self) -> Response<Body> {
        tokio::time::sleep(self.after).await;
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.fields {
            response = response.header(name, value);
        }
        response.body(self.body.into()).unwrap()
    }
}

pub(crate) fn discovery_of(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{ISSUER}{KEY_SET}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp"],
    })
}

pub(crate) fn key() -> Value {
    serde_json::to_value(FixtureKey::RSA_2048_A.verifying_key().jwk()).unwrap()
}

/// A machine with much else to do is not slow for that. The numbers themselves are tried by the rules' tests.
pub(crate) const PATIENT: Limits = Limits {
    slow: Duration::from_secs(30),
    too_slow: Duration::from_secs(60),
    give_up: Duration::from_secs(90),
    max_body: 128 * 1024,
};

/// A host with two documents.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// What somebody calls it who looks.
    pub(crate) asked: String,
    pub(crate) discovery: Answered,
    pub(crate) key_set: Answered,
    pub(crate) limits: Limits,
}

impl Default for Site {
    /// One with nothing wrong.
    fn default() -> Self {
        Self {
            asked: ISSUER.to_owned(),
            discovery: Answered::json(&discovery_of(ISSUER)),
            key_set: Answered::json(&json!({ "keys": [key()] })),
            limits: PATIENT,
        }
    }
}

impl Site {
    /// Serves it and looks at it, by the roots that somebody names.
    pub(crate) async fn examined(self, inside: Option<&Inside>) -> Vec<Finding> {
        let ca = TestCa::default();
        let roots = vec![ca.pem.clone().into_bytes()];
        self.examined_with(&ca, (2020, 2120), roots, inside).await
    }

    pub(crate) async fn examined_with(
        self,
        ca: &TestCa,
        years: (i32, i32),
        roots: Vec<Vec<u8>>,
        inside: Option<&Inside>,
    ) -> Vec<Finding> {
        let (asked, limits) = (self.asked.clone(), self.limits);
        let found_at = self.serve(ca, years);
        // A port in the URL is the one that is connected to.
        let issuer = asked.replace("@PORT@", &found_at.port().to_string());
        let told = Told { addresses: vec!["93.184.216.34".parse().unwrap()], found_at };
        let names = Names::Table(HashMap::from([(HOST.to_owned(), told)]));
        let look = Look::new(limits, roots, Arc::new(SystemClock)).unwrap().with_names(names);
        let issuer = IssuerAddress::parse(&issuer).unwrap();
        let key_set = inside.map(|inside| inside.jwks_uri.as_str());
        examine(&look.at(&issuer, key_set).await, inside)
    }

    fn serve(self, ca: &TestCa, years: (i32, i32)) -> SocketAddr {
        let (certificate, key) = ca.server(HOST, years);
        let tls = TlsIdentity::new(vec![certificate.into()], key.into());
        let tls = ServerTls::server_only(&tls).unwrap();
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let port = address.port().to_string();
        let router = Router::new().fallback(move |uri: Uri| {
            let mut answered = match uri.path() {
                KEY_SET => self.key_set.clone(),
                _ => self.discovery.clone(),
            };
            let text = String::from_utf8(answered.body).unwrap().replace("@PORT@", &port);
            answered.body = text.into_bytes();
            answered.response()
        });
        tokio::spawn(async move {
            let limits = Connections::default();
            listener.serve(router, limits, Tls::On(tls), &Shutdown::new()).await;
        });
        address
    }
}

/// The ids of what is so bad.
pub(crate) fn ids(findings: &[Finding], severity: Severity) -> Vec<&'static str> {
    let so_bad = findings.iter().filter(|finding| finding.severity == severity);
    so_bad.map(|finding| finding.id.as_str()).collect()
}
