//! Token exchange at `listen.exchange` (RFC 8693), and who may have what at `/api/v1/mappings` and `/api/v1/scopes`.

mod errors;
mod mappings;
mod tokens;

use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_identity::{
    Audience, Clock as _, Expectations, SystemClock, UnixTime, VerifiedToken, Verifier,
};
use moneyer_testkit::{ForeignIssuer, ManualClock, TestCa};
use serde_json::{Map, Value, json};

use crate::federation::foreign::{Foreign, Says};
use crate::world::{World, ask, json as read, prepare};

/// What the API server of the test's cluster calls itself.
pub(crate) const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const CLIENT: &str = "system:serviceaccount:ns1:sa1";

/// A coordinator beside a cluster, and an OIDC issuer named `ci`.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) cluster: ForeignIssuer,
    pub(crate) oidc: ForeignIssuer,
    pub(crate) server: Foreign,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With these lines in `[exchange]`.
    pub(crate) async fn with(exchange: &str) -> Self {
        Self::limited(exchange, &[]).await
    }

    /// The same under these settings.
    pub(crate) async fn limited(exchange: &str, settings: &[(&str, &str)]) -> Self {
        moneyer_daemon::tls::install_provider();
        // The names of trust domains stand for the issuers here: only their keys count.
        let cluster = ForeignIssuer::rsa("cluster.example", "k1");
        let oidc = ForeignIssuer::new("ci.example", "c1");
        let ca = TestCa::default();
        let says = |issuer| Says::Document(ForeignIssuer::key_set(&[issuer]));
        let (server, other) = (Foreign::web(&ca, says(&cluster)), Foreign::web(&ca, says(&oidc)));
        let directory = tempfile::tempdir().unwrap();
        prepare(&directory);
        std::fs::write(directory.path().join("ca.pem"), &ca.pem).unwrap();
        let file = directory.path().join("moneyer.toml");
        let ca_file = directory.path().join("ca.pem");
        let text = format!(
            "[exchange]\n{exchange}\n\
             [[exchange.cluster]]\nname = 'prod'\nplain_clients = true\nissuer = '{CLUSTER}'\n\
             audiences = ['moneyer']\njwks_url = '{}'\nca_file = '{}'\n\
             [[exchange.issuer]]\nname = 'ci'\nissuer = 'https://ci.example'\n\
             audiences = ['moneyer']\njwks_url = '{}'\nca_file = '{}'\n",
            server.url,
            ca_file.display(),
            other.url,
            ca_file.display()
        );
        let whole = std::fs::read_to_string(&file).unwrap() + &text;
        std::fs::write(file, whole).unwrap();
        let clock = ManualClock::default();
        clock.set(SystemClock.now());
        let settings = [&[("LISTEN__EXCHANGE", "127.0.0.1:0")], settings].concat();
        let world = World::start_in(directory, clock, &settings).await;
        let scene = Self { world, cluster, oidc, server };
        scene.fetched().await;
        scene
    }

    /// Waits until both key sets are there.
    async fn fetched(&self) {
        let authority = self.world.authority();
        let has = |issuer| authority.source_keys().find(issuer, authority.now()).is_some();
        for _ in 0..5000 {
            if has(CLUSTER) && has("https://ci.example") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("a key set was not fetched");
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.world.authority().now()
    }

    /// A service account's token as its API server writes it, but for these claims; `null` takes one away.
    pub(crate) fn account(&self, claims: &Value) -> String {
        let good = json!({
            "iss": CLUSTER, "sub": CLIENT, "aud": ["moneyer"],
            "exp": self.now().0 + 600, "iat": self.now().0, "nbf": self.now().0,
            "kubernetes.io": {
                "namespace": "ns1",
                "serviceaccount": { "name": "sa1", "uid": "sa-uid" },
                "pod": { "name": "pod-1", "uid": "pod-uid" },
                "node": { "name": "node-1", "uid": "node-uid" },
            },
        });
        let header = json!({ "alg": "RS256", "kid": "k1" }).to_string();
        self.cluster.signed(&header, &with(good, claims).to_string())
    }

    /// A token of the OIDC issuer for this subject, but for these claims.
    pub(crate) fn oidc(&self, subject: &str, claims: &Value) -> String {
        let good = json!({
            "iss": "https://ci.example", "sub": subject, "aud": "moneyer",
            "exp": self.now().0 + 600,
        });
        let header = json!({ "alg": "ES256", "kid": "c1", "typ": "JWT" }).to_string();
        self.oidc.signed(&header, &with(good, claims).to_string())
    }

    /// Lets `sa1` ask for `read` and `write` in `pc1`, with these members beside.
    pub(crate) async fn map(&self, more: &Value) {
        let mapping = json!({
            "clientIdentifier": CLIENT, "participantContext": "pc1", "scopes": ["read", "write"],
        });
        let body = json!([with(mapping, more)]).to_string();
        let answer = self.world.manage(Method::PUT, "/mappings", &body).await;
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Exchanges, with these parameters in the place of the usual ones.
    pub(crate) async fn exchange(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", GRANT),
            ("subject_token", token),
            ("subject_token_type", JWT),
            ("resource", "pc1"),
        ];
        let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        let kept = usual.iter().filter(|(name, _)| !replaced(name));
        self.post(&form(kept.chain(more))).await
    }

    pub(crate) async fn post(&self, body: &str) -> Answer {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let address = self.world.app.addresses().exchange.clone().unwrap();
        ask(&address, Method::POST, "/token", &form, body.as_bytes()).await
    }

    /// What a token that was given says, verified as a service of the cluster would.
    pub(crate) fn verified(&self, answer: &Answer, audience: &str) -> VerifiedToken {
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{text}");
        let token = read(answer)["access_token"].as_str().unwrap().to_owned();
        let keys = self.world.authority().keys().ring().key_set().clone();
        let verifier = Verifier::new(self.world.authority().issuer(), keys);
        let audience = Audience::parse(audience).unwrap();
        let expected = Expectations { several_audiences: true, ..Expectations::exactly(audience) };
        verifier.verify(&token, &expected, self.now()).unwrap()
    }
}

pub(crate) fn form<'a>(parameters: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    let escaped = |text: &str| {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs = parameters.map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The same object with other members; `null` takes one away.
pub(crate) fn with(object: Value, members: &Value) -> Value {
    let Value::Object(mut object) = object else { panic!("an object") };
    for (name, value) in members.as_object().unwrap_or(&Map::new()) {
        match value {
            Value::Null => object.remove(name),
            value => object.insert(name.clone(), value.clone()),
        };
    }
    Value::Object(object)
}
