//! Management by service accounts, with the roles of Jwtlet.

use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_testkit::ModelAccount;
use serde_json::json;

use super::{Fault, MODES, Scene};
use crate::world::{ask, field, problem};

const READ: &str = "jwtlet:management:read";
const MAPPINGS: &str = "jwtlet:management:mappings:write";
const SCOPE: &str = "jwtlet:management:scope:write";

/// Jwtlet's table: every method and path, the role it needs, and a body that is taken.
const TABLE: [(Method, &str, &str, &str); 9] = [
    (Method::GET, "/mappings", READ, ""),
    (Method::GET, "/scopes", READ, ""),
    (
        Method::POST,
        "/mappings",
        MAPPINGS,
        r#"{"clientIdentifier":"a","participantContext":"b","scopes":[]}"#,
    ),
    (
        Method::PUT,
        "/mappings/a/b",
        MAPPINGS,
        r#"{"clientIdentifier":"a","participantContext":"b","scopes":["s"]}"#,
    ),
    (Method::DELETE, "/mappings/a/b", MAPPINGS, ""),
    (Method::DELETE, "/mappings/a", MAPPINGS, ""),
    (Method::POST, "/scopes", SCOPE, r#"{"scope":"s","claims":{}}"#),
    (Method::PUT, "/scopes/s", SCOPE, r#"{"scope":"s","claims":{"c":1}}"#),
    (Method::DELETE, "/scopes/s", SCOPE, ""),
];

/// A coordinator that the service account `ops/admin` may manage by these roles, and `ops/none` by another alone.
async fn scene(verify: &str, roles: &[&str], exchange: &str) -> Scene {
    let account = |name: &str, roles: &[&str]| {
        format!(
            "[[management.service_account]]\ncluster = 'prod'\n\
             id = 'system:serviceaccount:ops:{name}'\nroles = {roles:?}\n"
        )
    };
    let more = format!(
        "[management]\naudience = 'manage'\n{}{}",
        account("admin", roles),
        account("other", &["clock:read"])
    );
    Scene::with(verify, exchange, &more).await
}

impl Scene {
    fn token_of(&self, name: &str, audience: &str) -> String {
        self.model.request_token(&ModelAccount::new("ops", name), audience)
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("bearer {token}");
        let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let address = self.world.app.addresses().management_remote.clone().unwrap();
        ask(&address, method, &format!("/api/v1{path}"), &fields, body.as_bytes()).await
    }

    fn audited(&self) -> String {
        let files = std::fs::read_dir(self.world.directory.path().join("audit")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let lines = files.filter(|file| file.extension().is_some_and(|end| end == "jsonl"));
        lines.map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }
}

#[tokio::test]
async fn every_request_of_jwtlets_table_needs_its_role_and_no_other() {
    for role in [READ, MAPPINGS, SCOPE] {
        let scene = scene("both", &[role], "").await;
        let token = scene.token_of("admin", "manage");
        for (method, path, needed, body) in TABLE {
            let answer = scene.send(method.clone(), path, &token, body).await;
            let status = answer.status.as_u16();
            if needed == role {
                assert!((200..300).contains(&status), "{method} {path} with {role}: {status}");
            } else {
                let told = problem(&answer, 403);
                assert!(told.starts_with("no policy permits "), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn with_all_three_roles_the_answers_are_jwtlets() {
    for verify in ["jwks", "tokenreview", "both"] {
        let scene = scene(verify, &[READ, MAPPINGS, SCOPE], "").await;
        let token = scene.token_of("admin", "manage");
        let statuses = [200, 200, 201, 204, 204, 204, 201, 204, 204];
        for ((method, path, _, body), expected) in TABLE.into_iter().zip(statuses) {
            let answer = scene.send(method.clone(), path, &token, body).await;
            assert_eq!(answer.status, expected, "{verify}: {method} {path}");
        }
        // One token, and one question.
        assert_eq!(scene.model.reviews(), usize::from(verify != "jwks"));
    }
}

#[tokio::test]
async fn a_change_is_recorded_under_the_accounts_name_before_it_is_made() {
    let scene = scene("both", &[MAPPINGS], "").await;
    let token = scene.token_of("admin", "manage");
    let body = r#"{"clientIdentifier":"a","participantContext":"b","scopes":[]}"#;
    assert_eq!(scene.send(Method::POST, "/mappings", &token, body).await.status, 201);
    let lines = scene.audited();
    let record = lines.lines().rfind(|line| line.contains("\"mapping_put\"")).unwrap();
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["who"], "client:system:serviceaccount:ops:admin");
    assert!(!lines.contains(&token));
    // The coordinator's files are for users of its machine, whatever a role says.
    let backup = scene.send(Method::POST, "/store/backup", &token, "{}").await;
    problem(&backup, 403);
}

#[tokio::test]
async fn a_token_for_an_exchange_manages_nothing_and_one_for_management_is_exchanged_for_nothing() {
    for verify in MODES {
        let scene = scene(verify, &[READ], "").await;
        let exchanged = scene.token_of("admin", "moneyer");
        problem(&scene.send(Method::GET, "/mappings", &exchanged, "").await, 401);
        let account = ModelAccount::new("ns1", "sa1");
        assert_eq!(scene.status(&scene.model.request_token(&account, "manage")).await, 400);
        assert_eq!(scene.server.came(), 0, "{verify}: nothing to be asked about");
    }
}

#[tokio::test]
async fn who_is_nobody_gets_401_and_who_may_not_gets_403() {
    let scene = scene("both", &[READ], "refusal_remembered = '0s'").await;
    let good = scene.token_of("admin", "manage");
    let forged = good.replace('.', ".e30");
    for (what, token) in [("no token", ""), ("garbage", "garbage"), ("forged", forged.as_str())] {
        let answer = scene.send(Method::GET, "/mappings", token, "").await;
        problem(&answer, 401);
        assert_eq!(field(&answer, "www-authenticate"), "Bearer", "{what}");
    }
    let stranger = scene.token_of("stranger", "manage");
    problem(&scene.send(Method::GET, "/mappings", &stranger, "").await, 403);
    problem(
        &scene.send(Method::GET, "/mappings", &scene.token_of("other", "manage"), "").await,
        403,
    );
    assert_eq!(
        scene.send(Method::GET, "/clock", &scene.token_of("other", "manage"), "").await.status,
        200
    );
    scene.model.delete_account("ops", "admin");
    problem(&scene.send(Method::GET, "/mappings", &good, "").await, 401);
    scene.server.fault(Fault::Says(500, String::new()));
    let answer = scene.send(Method::GET, "/mappings", &scene.token_of("admin", "manage"), "").await;
    assert_eq!(
        problem(&answer, 503),
        "it cannot be told at this time who asks, or the token is refused"
    );
}

#[tokio::test]
async fn no_api_server_is_asked_about_an_account_that_may_not_manage_anyway() {
    for verify in MODES {
        let scene = scene(verify, &[READ], "").await;
        let stranger = scene.token_of("stranger", "manage");
        let refused = scene.send(Method::GET, "/mappings", &stranger, "").await;
        let told = problem(&refused, 403);
        assert!(told.ends_with(" is not one that may manage"), "{told}");
        assert_eq!(scene.server.came(), 0, "{verify}");
        // Who may is asked about, and what it may not is refused then.
        let other = scene.token_of("other", "manage");
        problem(&scene.send(Method::GET, "/mappings", &other, "").await, 403);
        assert_eq!(scene.server.came(), 1, "{verify}");
        // Nobody has proved to be the stranger.
        assert!(!scene.audited().contains("client:system:serviceaccount:ops:stranger"));
        scene.server.fault(Fault::Hangs);
        let stranger = scene.token_of("stranger", "manage");
        problem(&scene.send(Method::GET, "/mappings", &stranger, "").await, 403);
    }
}

#[tokio::test]
async fn a_client_of_jwtlet_is_told_nothing_but_the_status() {
    let scene = scene("both", &[READ], "jwtlet_compatible_errors = true").await;
    let token = scene.token_of("admin", "manage");
    let nobody = scene.send(Method::GET, "/mappings", "garbage", "").await;
    assert_eq!((nobody.status.as_u16(), nobody.body.len()), (401, 0));
    let denied = scene.send(Method::DELETE, "/mappings/a", &token, "").await;
    assert_eq!((denied.status.as_u16(), denied.body.len()), (403, 0));
    assert_eq!(field(&denied, "content-type"), "");
    let good = scene.send(Method::GET, "/mappings", &token, "").await;
    assert_eq!(good.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&good.body).unwrap().is_array());
    // At the management socket operators are told what is wrong.
    problem(&scene.world.manage(Method::GET, "/mappings/a/b", &json!({}).to_string()).await, 404);
}
