//! A model of an ACME server, made from RFC 8555: no real one runs here.
//!
//! It checks what a server checks - nonces that are used once, the signature, the address that is signed,
//! the account - answers in the forms of section 7, validates by connecting back, and issues under an
//! authority of its own. A request that is wrong fails the test, or is refused as the RFC says where a
//! client has to live with that.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_testkit::{ManualClock, TestCa};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::challenge::validate;
use super::jws::{Signed, decode, key_authorization};

/// An ACME server. Clones are one.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) ca: Arc<TestCa>,
    base: String,
    clock: ManualClock,
    state: Arc<Mutex<State>>,
    /// Where the host is found that challenges are about.
    pub(super) found_at: watch::Sender<Option<SocketAddr>>,
}

#[derive(Default)]
pub(super) struct State {
    nonces: Vec<String>,
    nonces_made: usize,
    /// The key and contacts of each account.
    pub(super) accounts: Vec<(Value, Value)>,
    pub(super) orders: Vec<Order>,
    /// What every request is answered with while it is there: status and `Retry-After`.
    pub(super) refusing: Option<(StatusCode, Option<&'static str>)>,
    /// How many good nonces are called bad.
    pub(super) forgotten_nonces: usize,
}

pub(super) struct Order {
    account: usize,
    host: String,
    pub(super) status: &'static str,
    challenge: &'static str,
    problem: Option<String>,
    chain: Option<String>,
}

/// A refusal of RFC 8555 section 6.7.
type Refusal = (StatusCode, Value);

fn refusal(status: StatusCode, kind: &str, detail: &str) -> Refusal {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    (status, json!({ "type": kind, "detail": detail, "status": status.as_u16() }))
}

struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(value: &Value) -> Self {
        Self { status: StatusCode::OK, location: None, body: value.to_string().into_bytes() }
    }
}

impl Model {
    /// Begins to serve. Certificates begin an hour ago by this machine, and end 90 days from now by `clock`.
    pub(super) fn start(clock: ManualClock) -> Self {
        moneyer_daemon::tls::install_provider();
        let ca = TestCa::default();
        let (certificate, key) = ca.server("localhost", (2020, 2120));
        let identity = TlsIdentity::new(vec![certificate.into()], key.into());
        let tls = ServerTls::server_only(&identity).unwrap();
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let model = Self {
            ca: Arc::new(ca),
            base: format!("https://localhost:{}", address.port()),
            clock,
            state: Arc::default(),
            found_at: watch::Sender::default(),
        };
        let of_router = model.clone();
        let router = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let answer = of_router.answer(&method, uri.path(), &headers, &body);
                async move { answer }
            },
        );
        tokio::spawn(async move {
            listener.serve(router, Limits::default(), Tls::On(tls), &Shutdown::new()).await;
        });
        model
    }

    pub(super) fn directory(&self) -> String {
        format!("{}/directory", self.base)
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        if let Some((status, retry_after)) = self.with(|state| state.refusing) {
            let (_, body) = refusal(status, "rateLimited", "come back later");
            let mut response = (status, body.to_string()).into_response();
            if let Some(wait) = retry_after {
                response.headers_mut().insert("retry-after", wait.parse().unwrap());
            }
            return response;
        }
        let answer = match (method.as_str(), path) {
            ("GET", "/directory") => Ok(Answer::json(&self.urls())),
            ("HEAD", "/nonce") => Ok(Answer::json(&json!({}))),
            ("POST", _) => self.post(path, headers, body),
            other => panic!("no client asks for {other:?}"),
        };
        let answer = answer.unwrap_or_else(|(status, problem)| Answer {
            status,
            location: None,
            body: problem.to_string().into_bytes(),
        });
        let mut response = (answer.status, answer.body).into_response();
        let nonce = self.with(State::nonce);
        response.headers_mut().insert("replay-nonce", nonce.parse().unwrap());
        if let Some(location) = answer.location {
            response.headers_mut().insert("location", location.parse().unwrap());
        }
        response
    }

    fn urls(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.base);
        json!({ "newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order") })
    }

    fn post(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Refusal> {
        assert_eq!(headers["content-type"], "application/jose+json");
        let signed = Signed::parse(body);
        assert_eq!(signed.header["url"], format!("{}{path}", self.base), "section 6.4");
        self.with(|state| state.spend(signed.header["nonce"].as_str().unwrap()))?;
        if path == "/account" {
            return Ok(self.new_account(&signed));
        }
        let account = self.account_of(&signed);
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let number = parts.get(1).map(|number| number.parse::<usize>().unwrap());
        match (parts[0], number, &signed.payload) {
            ("order", None, Some(wanted)) => Ok(self.new_order(account, wanted)),
            ("order", Some(number), None) => Ok(Answer::json(&self.order(account, number))),
            ("authorization", Some(number), None) => Ok(Answer::json(&self.authorization(number))),
            ("challenge", Some(number), Some(_)) => Ok(self.begin(account, number)),
            ("finalize", Some(number), Some(request)) => self.finalize(account, number, request),
            ("certificate", Some(number), None) => {
                let chain = self.with(|state| state.orders[number].chain.clone()).unwrap();
                Ok(Answer { status: StatusCode::OK, location: None, body: chain.into_bytes() })
            }
            other => panic!("no client asks for {other:?}"),
        }
    }

    fn new_account(&self, signed: &Signed) -> Answer {
        let (jwk, payload) = (&signed.header["jwk"], signed.payload.as_ref().unwrap());
        assert!(signed.header.get("kid").is_none() && signed.is_signed_by(jwk), "section 6.2");
        assert_eq!(payload["termsOfServiceAgreed"], true);
        let number = self.with(|state| {
            state.accounts.push((jwk.clone(), payload["contact"].clone()));
            state.accounts.len() - 1
        });
        let location = Some(format!("{}/account/{number}", self.base));
        let body = json!({ "status": "valid" }).to_string().into_bytes();
        Answer { status: StatusCode::CREATED, location, body }
    }

    fn account_of(&self, signed: &Signed) -> usize {
        assert!(signed.header.get("jwk").is_none(), "section 6.2");
        let kid = signed.header["kid"].as_str().unwrap();
        let number = kid.strip_prefix(&format!("{}/account/", self.base)).unwrap();
        let number: usize = number.parse().unwrap();
        let (jwk, _) = self.with(|state| state.accounts[number].clone());
        assert!(signed.is_signed_by(&jwk), "signed by another key");
        number
    }

    fn new_order(&self, account: usize, wanted: &Value) -> Answer {
        let identifiers = wanted["identifiers"].as_array().unwrap();
        assert_eq!(identifiers.len(), 1);
        assert_eq!(identifiers[0]["type"], "dns");
        let host = identifiers[0]["value"].as_str().unwrap().to_owned();
        let number = self.with(|state| {
            let (status, challenge) = ("pending", "pending");
            state.orders.push(Order {
                account,
                host,
                status,
                challenge,
                problem: None,
                chain: None,
            });
            state.orders.len() - 1
        });
        let location = Some(format!("{}/order/{number}", self.base));
        let body = self.order(account, number).to_string().into_bytes();
        Answer { status: StatusCode::CREATED, location, body }
    }

    /// What is told of an order. One that is being processed is so once.
    fn order(&self, account: usize, number: usize) -> Value {
        let at = |name: &str| format!("{}/{name}/{number}", self.base);
        self.with(|state| {
            let order = &mut state.orders[number];
            assert_eq!(order.account, account, "an order of another account");
            let mut told = json!({
                "status": order.status,
                "identifiers": [{ "type": "dns", "value": order.host }],
                "authorizations": [at("authorization")],
                "finalize": at("finalize"),
            });
            if order.status == "valid" {
                told["certificate"] = at("certificate").into();
            }
            if order.status == "processing" {
                order.status = "valid";
            }
            told
        })
    }

    fn authorization(&self, number: usize) -> Value {
        let challenge = |kind: &str, state: &State| {
            let order = &state.orders[number];
            let mut told = json!({
                "type": kind,
                "url": format!("{}/challenge/{number}", self.base),
                "token": token(number),
                "status": order.challenge,
            });
            if let Some(problem) = &order.problem {
                let (_, problem) = refusal(StatusCode::FORBIDDEN, "unauthorized", problem);
                told["error"] = problem;
            }
            told
        };
        self.with(|state| {
            let status = match state.orders[number].challenge {
                status @ ("valid" | "invalid") => status,
                _ => "pending",
            };
            let challenges = [challenge("http-01", state), challenge("tls-alpn-01", state)];
            let identifier = json!({ "type": "dns", "value": state.orders[number].host });
            json!({ "identifier": identifier, "status": status, "challenges": challenges })
        })
    }

    /// The client says that its answer stands: looks for it.
    fn begin(&self, account: usize, number: usize) -> Answer {
        let (jwk, host) = self.with(|state| {
            let order = &mut state.orders[number];
            assert_eq!(order.challenge, "pending", "a challenge is begun once");
            order.challenge = "processing";
            (state.accounts[account].0.clone(), state.orders[number].host.clone())
        });
        let model = self.clone();
        tokio::spawn(async move {
            let mut found_at = model.found_at.subscribe();
            let address = found_at.wait_for(Option::is_some).await.unwrap().unwrap();
            let expected = key_authorization(&token(number), &jwk);
            let looked = validate(address, &host, &expected).await;
            model.with(|state| {
                let order = &mut state.orders[number];
                (order.status, order.challenge) = match looked {
                    Ok(()) => ("ready", "valid"),
                    Err(_) => ("invalid", "invalid"),
                };
                order.problem = looked.err();
            });
        });
        let told = &self.authorization(number)["challenges"][1];
        Answer::json(told)
    }

    fn finalize(&self, account: usize, number: usize, wanted: &Value) -> Result<Answer, Refusal> {
        let request = decode(wanted["csr"].as_str().unwrap());
        let (status, host) = self.with(|state| {
            let order = &state.orders[number];
            (order.status, order.host.clone())
        });
        if status != "ready" {
            return Err(refusal(StatusCode::FORBIDDEN, "orderNotReady", status));
        }
        let from = SystemClock.now().minus(Duration::from_secs(3600));
        let to = self.clock.now().plus(Duration::from_secs(90 * 24 * 3600));
        let chain = self.ca.certify(&request, &host, (from, to));
        let chain = chain.expect("a request for the host of the order");
        self.with(|state| {
            state.orders[number].chain = Some(chain);
            state.orders[number].status = "processing";
        });
        Ok(Answer::json(&self.order(account, number)))
    }
}

fn token(number: usize) -> String {
    format!("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-{number}")
}

impl State {
    fn nonce(&mut self) -> String {
        self.nonces_made += 1;
        let nonce = format!("nonce{}", self.nonces_made);
        self.nonces.push(nonce.clone());
        nonce
    }

    /// Takes a nonce out of those that were given out.
    fn spend(&mut self, nonce: &str) -> Result<(), Refusal> {
        let place = self.nonces.iter().position(|known| known == nonce);
        self.nonces.swap_remove(place.expect("a nonce is used once, and never made up"));
        if self.forgotten_nonces > 0 {
            self.forgotten_nonces -= 1;
            return Err(refusal(StatusCode::BAD_REQUEST, "badNonce", "this nonce is too old"));
        }
        Ok(())
    }
}
