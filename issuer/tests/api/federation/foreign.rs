//! A foreign trust domain: an authority, a server of its bundle, and what goes wrong with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_identity::spiffe::{TrustBundle, TrustDomain, X509Authority};
use moneyer_testkit::TestCa;
use serde_json::{Value, json};

use crate::world::{World, json};

pub(crate) const ID: &str = "spiffe://other.example/bundle-endpoint";

/// What it answers.
#[derive(Clone)]
pub(crate) enum Says {
    Document(String),
    Redirect(String),
    Nothing,
}

/// A server of a bundle.
pub(crate) struct Foreign {
    pub(crate) url: String,
    pub(crate) asked: Arc<AtomicUsize>,
    says: Arc<Mutex<Says>>,
    tls: ServerTls,
}

impl Foreign {
    /// One that is known by its name, `localhost`.
    pub(crate) fn web(ca: &TestCa, says: Says) -> Self {
        Self::serve(ca.server("localhost", (2020, 2120)), says)
    }

    /// One that is known by its SPIFFE ID.
    pub(crate) fn spiffe(ca: &TestCa, id: &str, says: Says) -> Self {
        Self::serve(ca.svid(id), says)
    }

    fn serve(identity: (Vec<u8>, Vec<u8>), says: Says) -> Self {
        let tls = ServerTls::server_only(&of(identity)).unwrap();
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::<AtomicUsize>::default());
        let (to_say, counted) = (says.clone(), asked.clone());
        let answer = move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let says = to_say.lock().unwrap().clone();
            answer(says).await
        };
        let router = Router::new().route("/bundle", get(answer));
        let served = Tls::On(tls.clone());
        tokio::spawn(async move {
            listener.serve(router, Limits::default(), served, &Shutdown::new()).await;
        });
        let url = format!("https://localhost:{}/bundle", address.port());
        Self { url, asked, says, tls }
    }

    pub(crate) fn say(&self, document: &TrustBundle) {
        self.say_text(document.to_document());
    }

    pub(crate) fn say_text(&self, document: String) {
        *self.says.lock().unwrap() = Says::Document(document);
    }

    /// The next connection is shown another SVID.
    pub(crate) fn show(&self, ca: &TestCa, id: &str) {
        self.tls.replace(&ServerTls::server_only(&of(ca.svid(id))).unwrap());
    }
}

fn of((certificate, key): (Vec<u8>, Vec<u8>)) -> TlsIdentity {
    TlsIdentity::new(vec![certificate.into()], key.into())
}

async fn answer(says: Says) -> Response {
    match says {
        Says::Document(document) => document.into_response(),
        Says::Redirect(to) => Redirect::temporary(&to).into_response(),
        Says::Nothing => std::future::pending().await,
    }
}

/// The bundle of `other.example`.
pub(crate) fn bundle(sequence: u64, authorities: &[&TestCa]) -> TrustBundle {
    let authorities = authorities.iter().map(|ca| X509Authority::parse(&ca.der).unwrap());
    let bundle = TrustBundle::new(trust_domain(), authorities.collect(), Vec::new());
    bundle.unwrap().with_sequence(sequence)
}

pub(crate) fn says(sequence: u64, authorities: &[&TestCa]) -> Says {
    Says::Document(bundle(sequence, authorities).to_document())
}

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::parse("other.example").unwrap()
}

pub(crate) fn web_body(url: &str, ca: &TestCa) -> Value {
    json!({ "url": url, "profile": "https_web", "ca_certificates": ca.pem })
}

pub(crate) fn spiffe_body(url: &str, bootstrap: &TrustBundle) -> Value {
    json!({
        "url": url, "profile": "https_spiffe", "endpoint_spiffe_id": ID,
        "bootstrap_bundle": bootstrap.to_document(),
    })
}

/// A coordinator that may ask this machine.
pub(crate) async fn world() -> World {
    World::with(&[("FEDERATION__PRIVATE_ADDRESSES", "true")]).await
}

impl World {
    pub(crate) async fn put_federation(&self, name: &str, body: &Value) -> Answer {
        self.manage(Method::PUT, &format!("/federations/{name}"), &body.to_string()).await
    }

    /// How it stands with `other.example` after this.
    pub(crate) async fn federate(&self, body: &Value) -> Value {
        let answer = self.put_federation("other.example", body).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        json(&answer)
    }

    pub(crate) async fn refresh(&self) -> Value {
        json(&self.manage(Method::POST, "/federations/other.example/refresh", "").await)
    }

    /// The bundle of `other.example` that is in force.
    pub(crate) fn in_force(&self) -> Option<TrustBundle> {
        let bundles = self.authority().trust_bundles();
        bundles.find(&trust_domain()).map(|bundle| TrustBundle::clone(bundle))
    }
}

/// Why the last try brought nothing.
pub(crate) fn problem_of(view: &Value) -> &str {
    view["problem"].as_str().unwrap_or_else(|| panic!("no problem: {view}"))
}
