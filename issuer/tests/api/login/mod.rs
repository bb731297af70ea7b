//! Log-in with SVIDs at `listen.exchange`, and what its tokens are good for at `listen.management_remote`.

mod bodies;
mod key_sources;
mod management;
mod refusals;
mod shares;
mod tokens;
mod x509_svids;

use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_testkit::{ForeignIssuer, ManualClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{World, ask, field, json as read, prepare};

pub(crate) const PATH: &str = "/v1/login/spiffe";
/// The audience of a log-in where nothing else is configured.
pub(crate) const LOGIN: &str = "https://id.example.com/v1/login/spiffe";
const FOREIGN: &str = "other.example";

/// A coordinator with both listeners, in whose configuration this stands too. `@DIR@` is its directory.
async fn world_in(directory: TempDir, text: &str, settings: &[(&str, &str)]) -> World {
    moneyer_daemon::tls::install_provider();
    prepare(&directory);
    let file = directory.path().join("moneyer.toml");
    let text = text.replace("@DIR@", directory.path().to_str().unwrap());
    let whole = std::fs::read_to_string(&file).unwrap() + &text;
    std::fs::write(file, whole).unwrap();
    let clock = ManualClock::default();
    clock.set(SystemClock.now());
    let always = [
        ("LISTEN__EXCHANGE", "127.0.0.1:0"),
        ("LISTEN__MANAGEMENT_REMOTE", "127.0.0.1:0"),
        ("FEDERATION__PRIVATE_ADDRESSES", "true"),
    ];
    World::start_in(directory, clock, &[&always, settings].concat()).await
}

/// One at which `other.example` may log in, by the keys of these in a file, and by these further settings of it.
async fn world_of(issuers: &[&ForeignIssuer], settings: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let keys = ForeignIssuer::key_set(issuers);
    std::fs::write(directory.path().join("other.jwks"), keys).unwrap();
    let text = format!(
        "[[login.trust_domain]]\nname = '{FOREIGN}'\njwks_file = '@DIR@/other.jwks'\n{settings}\n"
    );
    world_in(directory, &text, &[]).await
}

/// The same, and the issuer whose key it is.
async fn world() -> (World, ForeignIssuer) {
    let foreign = ForeignIssuer::new(FOREIGN, "one");
    (world_of(&[&foreign], "").await, foreign)
}

/// A JWT-SVID of this workload with other members than a good one has.
fn svid_with(issuer: &ForeignIssuer, path: &str, header: Value, claims: Value) -> String {
    issuer.jwt_svid((path, LOGIN), SystemClock.now(), (header, claims))
}

fn svid(issuer: &ForeignIssuer, path: &str) -> String {
    svid_with(issuer, path, json!({}), json!({}))
}

impl World {
    fn exchange(&self) -> ListenAddress {
        self.app.addresses().exchange.clone().unwrap()
    }

    /// Shows a JWT-SVID.
    async fn log_in(&self, svid: &str) -> Answer {
        self.post_login(json!({ "jwt_svid": svid }).to_string().as_bytes()).await
    }

    async fn post_login(&self, body: &[u8]) -> Answer {
        ask(&self.exchange(), Method::POST, PATH, &[], body).await
    }

    /// The token for a JWT-SVID that is let in.
    async fn token(&self, svid: &str) -> String {
        let answer = self.log_in(svid).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{text}");
        read(&answer)["access_token"].as_str().unwrap().to_owned()
    }

    async fn put_policy(&self, name: &str, body: &Value) {
        let answer =
            self.manage(Method::PUT, &format!("/policies/{name}"), &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Lets everybody of `other.example` in, for this.
    async fn let_in(&self, permissions: &[&str]) {
        let patterns = ["spiffe://other.example/**"];
        self.put_policy(
            "everyone",
            &json!({ "patterns": patterns, "effect": "allow", "permissions": permissions }),
        )
        .await;
    }
}

/// The one answer that everybody gets who is not let in.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status.as_u16(), 401, "{what}: {text}");
    assert_eq!(field(answer, "www-authenticate"), "Bearer", "{what}");
    assert_eq!(field(answer, "cache-control"), "no-store", "{what}");
    assert_eq!(field(answer, "content-type"), "application/problem+json", "{what}");
    assert_body(&answer.body, what);
}

/// Its body, to the byte but for the id of the request.
#[track_caller]
fn assert_body(body: &[u8], what: &str) {
    let text = String::from_utf8_lossy(body);
    let id = serde_json::from_slice::<Value>(body).unwrap()["request_id"].clone();
    let expected = format!(
        concat!(
            r#"{{"title":"Not authenticated","status":401,"#,
            r#""detail":"what was shown is not accepted; the coordinator's audit log says why a log-in was refused","#,
            r#""request_id":{}}}"#
        ),
        id
    );
    assert_eq!(text, expected, "{what}");
    assert!(id.as_str().is_some_and(|id| id.len() == 32), "{what}: {text}");
}
