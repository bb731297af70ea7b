//! Service account tokens that an API server has to review: at the exchange, and at the management API.
//!
//! The API server is a model, which `moneyer-testkit` has.

mod api_server;
mod away;
mod disagreements;
mod management;
mod questions;
mod svids;

use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_testkit::{ForeignIssuer, ManualClock, ModelAccount, TestCa, TokenReviewModel};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::exchange::{CLUSTER, GRANT, JWT, form, with};
use crate::world::{World, ask, json as read, prepare};
use api_server::{ApiServer, Fault};

const OWN_TOKEN: &str = "own-token-1";

/// A coordinator, and a cluster whose API server reviews tokens.
struct Scene {
    world: World,
    model: TokenReviewModel,
    server: ApiServer,
    key: ForeignIssuer,
}

impl Scene {
    /// With `verify` of the cluster, and these lines in `[exchange]` before it.
    async fn new(verify: &str) -> Self {
        Self::with(verify, "", "").await
    }

    /// Every question is asked: nothing is remembered.
    async fn forgetful(verify: &str) -> Self {
        let forget = "review_remembered = '0s'\nrefusal_remembered = '0s'";
        Self::with(verify, forget, "").await
    }

    async fn with(verify: &str, exchange: &str, more: &str) -> Self {
        moneyer_daemon::tls::install_provider();
        let clock = ManualClock::default();
        clock.set(SystemClock.now());
        let key = ForeignIssuer::rsa("cluster.example", "k1");
        let model = TokenReviewModel::new(CLUSTER, key.clone(), clock.clone(), OWN_TOKEN);
        let ca = TestCa::default();
        let server = ApiServer::start(&ca, &model);
        let directory = tempfile::tempdir().unwrap();
        prepare(&directory);
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("ca.pem"), &ca.pem).unwrap();
        std::fs::write(at("own-token"), OWN_TOKEN).unwrap();
        let text = format!(
            "[exchange]\n{exchange}\n\
             [[exchange.cluster]]\nname = 'prod'\nplain_clients = true\nissuer = '{CLUSTER}'\n\
             verify = '{verify}'\naudiences = ['moneyer']\napi_server = '{}'\nca_file = '{}'\n\
             bearer_file = '{}'\n{more}\n",
            server.url,
            at("ca.pem").display(),
            at("own-token").display(),
        );
        let whole = std::fs::read_to_string(at("moneyer.toml")).unwrap() + &text;
        std::fs::write(at("moneyer.toml"), whole).unwrap();
        let settings =
            [("LISTEN__EXCHANGE", "127.0.0.1:0"), ("LISTEN__MANAGEMENT_REMOTE", "127.0.0.1:0")];
        let world = World::start_in(directory, clock, &settings).await;
        let scene = Self { world, model, server, key };
        let body = json!([{
            "clientIdentifier": "system:serviceaccount:ns1:*", "participantContext": "pc1",
            "scopes": [],
        }]);
        let put = scene.world.manage(Method::PUT, "/mappings", &body.to_string()).await;
        assert_eq!(put.status, 204, "{}", String::from_utf8_lossy(&put.body));
        if verify != "tokenreview" {
            let authority = scene.world.authority().clone();
            eventually(async || authority.source_keys().find(CLUSTER, authority.now()).is_some())
                .await;
        }
        scene
    }

    /// A token of `sa1` in the pod `pod-1`.
    fn token(&self) -> String {
        let account = ModelAccount::new("ns1", "sa1").in_pod("pod-1");
        self.model.request_token(&account, "moneyer")
    }

    /// A token that the cluster's key signed and that its API server does not know, with these claims beside.
    fn forged(&self, claims: &Value) -> String {
        let now = self.world.authority().now().0;
        let good = json!({
            "iss": CLUSTER, "sub": "system:serviceaccount:ns1:sa1", "aud": ["moneyer"],
            "exp": now + 600,
        });
        let header = json!({ "alg": "RS256", "kid": "k1" }).to_string();
        self.key.signed(&header, &with(good, claims).to_string())
    }

    async fn exchange(&self, token: &str) -> Answer {
        let parameters = [
            ("grant_type", GRANT),
            ("subject_token", token),
            ("subject_token_type", JWT),
            ("resource", "pc1"),
        ];
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        let address = self.world.app.addresses().exchange.clone().unwrap();
        ask(&address, Method::POST, "/token", &fields, form(parameters.iter()).as_bytes()).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.exchange(token).await.status.as_u16()
    }

    /// What `/readyz` says of API servers.
    async fn kubernetes(&self) -> Value {
        let ready = read(&self.world.operations(Method::GET, "/readyz").await);
        assert_eq!(ready["ready"], true, "minting goes on");
        let checks = ready["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "kubernetes").unwrap().clone()
    }

    /// Waits until it says that it is `ok`, or is not.
    async fn until_told(&self, ok: bool) -> Value {
        eventually(async || self.kubernetes().await["ok"] == ok).await;
        self.kubernetes().await
    }

    fn own_token_is(&self, text: &str) {
        let file = self.world.directory.path().join("own-token");
        let newer = file.with_extension("newer");
        std::fs::write(&newer, text).unwrap();
        std::fs::rename(newer, file).unwrap();
    }
}

/// Waits until it is so, for ten seconds at most.
async fn eventually(so: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be so");
}

const MODES: [&str; 2] = ["tokenreview", "both"];

#[tokio::test]
async fn a_reviewed_token_is_exchanged_for_the_same_claims_as_one_that_is_verified_offline() {
    let mut claims = Vec::new();
    for verify in ["jwks", "tokenreview", "both"] {
        let scene = Scene::new(verify).await;
        let answer = scene.exchange(&scene.token()).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{verify}: {text}");
        assert_eq!(read(&answer)["expires_in"], 600, "{verify}");
        let token = read(&answer)["access_token"].as_str().unwrap().to_owned();
        let payload = payload(&token);
        claims.push(json!([payload["act"], payload["kubernetes.io"], payload["sub"]]));
        assert_eq!(scene.model.reviews(), usize::from(verify != "jwks"), "{verify}");
    }
    assert_eq!(claims[0], claims[1]);
    assert_eq!(claims[0], claims[2]);
    let expected = json!({
        "namespace": "ns1", "serviceaccount": { "name": "sa1", "uid": "sa1-uid" },
        "pod": { "name": "pod-1", "uid": "pod-1-uid" },
        "node": { "name": "node-1", "uid": "node-uid" },
    });
    assert_eq!(claims[0][1], expected);
}

fn payload(token: &str) -> Value {
    use base64::Engine as _;
    let text = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_pod_or_an_account_that_is_gone_exchanges_nothing_once_its_api_server_says_so() {
    for verify in MODES {
        let scene = Scene::forgetful(verify).await;
        let (token, other) = (scene.token(), {
            let account = ModelAccount::new("ns1", "sa2");
            scene.model.request_token(&account, "moneyer")
        });
        assert_eq!(scene.status(&token).await, 200);
        assert_eq!(scene.status(&other).await, 200);
        scene.model.delete_pod("pod-1");
        scene.model.delete_account("ns1", "sa2");
        // As the real one, it says yes for ten seconds more.
        assert_eq!((scene.status(&token).await, scene.status(&other).await), (200, 200));
        scene.world.clock.advance(Duration::from_secs(10));
        let refused = scene.exchange(&token).await;
        assert_eq!(
            (refused.status.as_u16(), &read(&refused)["error"]),
            (400, &json!("invalid_request"))
        );
        assert_eq!(scene.status(&other).await, 400);
    }
}

#[tokio::test]
async fn once_it_is_known_that_a_pod_is_gone_none_of_its_tokens_is_exchanged() {
    let scene = Scene::new("both").await;
    let (one, two) = (scene.token(), scene.token());
    assert_eq!(scene.status(&one).await, 200);
    scene.model.delete_pod("pod-1");
    assert_eq!(scene.status(&one).await, 200, "it is remembered");
    assert_eq!(scene.status(&two).await, 400, "it was not known before");
    // Its API server would still say yes to that one.
    assert_eq!(scene.status(&one).await, 400, "and is remembered no more");
    assert_eq!(scene.model.reviews(), 2, "nothing is asked about it again");
}

#[tokio::test]
async fn a_yes_that_is_late_is_none_where_the_pod_is_known_to_be_gone_meanwhile() {
    let scene = Scene::with("both", "review_remembered = '0s'", "").await;
    let (one, two, told) = (scene.token(), scene.token(), Arc::new(Notify::new()));
    assert_eq!(scene.status(&one).await, 200);
    scene.model.delete_pod("pod-1");
    scene.server.fault(Fault::Waits(told.clone()));
    let late = scene.status(&one);
    let meanwhile = async {
        eventually(async || scene.server.came() == 2).await;
        scene.server.fault(Fault::None);
        assert_eq!(scene.status(&two).await, 400);
        told.notify_one();
    };
    // Its API server says yes to it still.
    assert_eq!(tokio::join!(late, meanwhile).0, 400);
}

#[tokio::test]
async fn where_no_key_set_is_a_token_is_heard_of_its_pod_that_was_found_good_before() {
    let scene = Scene::with("tokenreview", "review_remembered = '0s'", "").await;
    let (one, two, three) = (scene.token(), scene.token(), scene.token());
    assert_eq!(scene.status(&one).await, 200);
    scene.world.clock.advance(Duration::from_secs(5));
    assert_eq!(scene.status(&two).await, 200);
    scene.model.delete_pod("pod-1");
    assert_eq!(scene.status(&three).await, 400, "nobody knows whose it is");
    assert_eq!(scene.status(&two).await, 200, "its API server still says yes");
    scene.world.clock.advance(Duration::from_secs(5));
    assert_eq!(scene.status(&one).await, 400, "and to this one no more");
    assert_eq!(scene.status(&two).await, 400, "which is of that pod");
}

/// What an API server says in the words of somebody whom it asks itself.
fn webhook_says(error: &str) -> Fault {
    let answer = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "status": { "user": {}, "error": error },
    });
    Fault::Says(201, answer.to_string())
}

#[tokio::test]
async fn an_unsigned_token_that_names_somebody_elses_pod_takes_nothing_from_it() {
    let scene = Scene::new("tokenreview").await;
    let token = scene.token();
    assert_eq!(scene.status(&token).await, 200);
    let pod = json!({ "kubernetes.io": {
        "namespace": "ns1", "pod": { "name": "pod-1", "uid": "pod-1-uid" },
    } });
    let errors =
        ["user not found", "pods \"pod-1\" not found", "Token has been invalidated", "who is that"];
    for (number, error) in errors.into_iter().enumerate() {
        scene.server.fault(webhook_says(error));
        // Nobody's signature, and another token each time.
        let claims = with(pod.clone(), &json!({ "jti": number.to_string() }));
        let forged = scene.forged(&claims);
        let forged = format!("{}.AAAA", forged.rsplit_once('.').unwrap().0);
        assert_eq!(scene.status(&forged).await, 400, "{error}");
        scene.server.fault(Fault::None);
        assert_eq!(scene.status(&token).await, 200, "{error}");
        let other = scene.token();
        assert_eq!(
            scene.status(&other).await,
            200,
            "{error}: one that is shown for the first time"
        );
    }
}

#[tokio::test]
async fn an_error_that_is_not_an_api_servers_own_word_locks_no_pod_out() {
    for verify in MODES {
        let scene = Scene::new(verify).await;
        let token = scene.token();
        assert_eq!(scene.status(&token).await, 200);
        for error in ["session has been invalidated", "record not found"] {
            let another = scene.token();
            scene.server.fault(webhook_says(error));
            assert_eq!(scene.status(&another).await, 400, "{verify}: {error}");
            scene.server.fault(Fault::None);
            assert_eq!(scene.status(&another).await, 400, "{verify}: it is remembered");
            assert_eq!(scene.status(&token).await, 200, "{verify}: {error}");
        }
    }
}

#[tokio::test]
async fn nothing_is_remembered_beyond_the_end_of_the_token() {
    let scene = Scene::new("both").await;
    let token = scene.token();
    scene.world.clock.advance(Duration::from_secs(599));
    assert_eq!(scene.status(&token).await, 200);
    scene.world.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.status(&token).await, 400);
    assert_eq!(scene.model.reviews(), 1);
}
