//! The token of a log-in at the management API: for exactly what policies permit at that moment.

use std::collections::BTreeSet;

use moneyer_authority::login::Resource;
use moneyer_daemon::listener::ListenAddress;
use moneyer_daemon::unix_http::{Answer, Method};
use moneyer_proto::v1;
use serde_json::json;
use tonic::Code;

use super::{refused, svid, world};
use crate::world::{World, ask, json as read, problem};

const ROUTES: &str = include_str!("../../../src/http/management/routes.rs");

/// Every path and method of the management API, and what is needed for it.
const NEEDED: &str = "
GET /clock clock:read
POST /clock/confirm clock:write
GET /issuer issuer:read
POST /issuer/move issuer:write
GET /keys keys:read
POST /keys keys:write
GET /keys/published keys:read
POST /keys/import keys:write
GET /keys/x509 keys:read
POST /keys/x509 keys:write
GET /publish publish:read
POST /publish publish:write
POST /store/backup store:write
POST /store/rekey store:write
GET /apps apps:read
GET /apps/{name} apps:read
PUT /apps/{name} apps:write
DELETE /apps/{name} apps:write
GET /audiences audiences:read
GET /audiences/{name} audiences:read
PUT /audiences/{name} audiences:write
DELETE /audiences/{name} audiences:write
GET /audiences/{name}/check audiences:read
GET /federations federations:read
GET /federations/{trust_domain} federations:read
PUT /federations/{trust_domain} federations:write
DELETE /federations/{trust_domain} federations:write
POST /federations/{trust_domain}/refresh federations:write
GET /trust-bundles federations:read
GET /policies policies:read
GET /policies/{name} policies:read
PUT /policies/{name} policies:write
DELETE /policies/{name} policies:write
GET /policy-decision policies:read
GET /mappings mappings:read
POST /mappings mappings:write
PUT /mappings mappings:write
DELETE /mappings/{client} mappings:write
GET /mappings/{client}/{context} mappings:read
PUT /mappings/{client}/{context} mappings:write
DELETE /mappings/{client}/{context} mappings:write
POST /mapping-decision mappings:read
GET /scopes scopes:read
POST /scopes scopes:write
PUT /scopes scopes:write
GET /scopes/{scope} scopes:read
PUT /scopes/{scope} scopes:write
DELETE /scopes/{scope} scopes:write
GET /sandboxes sandboxes:read
GET /sandboxes/{id} sandboxes:read
PUT /sandboxes/{id} sandboxes:write
DELETE /sandboxes/{id} sandboxes:write
POST /sandboxes/{id}/token tokens:write
GET /runners runners:read
POST /runners runners:write
DELETE /runners/{id} runners:write
GET /controllers controllers:read
POST /controllers controllers:write
DELETE /controllers/{id} controllers:write
GET /profiles profiles:read
GET /profiles/{id} profiles:read
PUT /profiles/{id} profiles:write
DELETE /profiles/{id} profiles:write
GET /providers providers:read
POST /providers providers:write
GET /providers/{name} providers:read
DELETE /providers/{name} providers:write
PUT /providers/{name}/credentials providers:write
PUT /providers/{name}/apps/{app} providers:write
DELETE /providers/{name}/apps/{app} providers:write
PUT /providers/{name}/sandboxes/{sandbox} providers:write
DELETE /providers/{name}/sandboxes/{sandbox} providers:write
";

/// What is open to whoever can connect.
const OPEN: &str = "GET /openapi.json";

/// The table's rows: method, path and permission.
fn needed() -> Vec<(Method, &'static str, &'static str)> {
    let row = |row: &'static str| {
        let [method, path, permission] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        (method.parse().unwrap(), path, permission)
    };
    NEEDED.trim().lines().map(row).collect()
}

/// The routes of the source: each path with the methods that are named after it.
fn routed() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in ROUTES.split(".route(").skip(1) {
        let call = rest.split("\n        .route(").next().unwrap();
        let path = call.split('"').nth(1).unwrap();
        for method in ["get", "post", "put", "delete", "patch"] {
            let names = |word: &str| call.contains(&format!("{word}{method}("));
            if names(" ") || names(".") {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

/// The operations of the document: each with the permission that it says.
fn described(document: &serde_json::Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else { continue };
        for (method, operation) in item.as_object().unwrap() {
            let permission = operation["x-permission"].as_str().unwrap_or("nobody's");
            found.insert(format!("{} {path} {permission}", method.to_uppercase()));
        }
    }
    found
}

fn remote(world: &World) -> ListenAddress {
    world.app.addresses().management_remote.clone().unwrap()
}

/// A request to the remote listener with these fields.
async fn send(
    world: &World,
    method: Method,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Answer {
    ask(&remote(world), method, &format!("/api/v1{path}"), fields, b"").await
}

/// The same with a token.
async fn with(world: &World, method: Method, path: &str, token: &str) -> Answer {
    send(world, method, path, &[("authorization", &format!("Bearer {token}"))]).await
}

#[test]
fn every_route_is_in_the_table_and_every_resource_has_one() {
    let listed: BTreeSet<_> =
        needed().into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let mut routed = routed();
    assert!(routed.remove(OPEN), "{OPEN} is gone");
    assert_eq!(routed, listed);
    for resource in Resource::ALL {
        let named = |(_, _, permission): &(_, _, &str)| {
            permission.split(':').next() == Some(resource.as_str())
        };
        assert!(needed().iter().any(named), "{resource:?}");
    }
}

#[tokio::test]
async fn the_openapi_document_has_every_route_with_its_permission_and_no_other() {
    let (world, _) = world().await;
    // Nobody is asked who it is: the document says nothing of this cluster.
    let answer = send(&world, Method::GET, "/openapi.json", &[]).await;
    assert_eq!(answer.status, 200);
    let mut expected: BTreeSet<_> = NEEDED.trim().lines().map(str::to_owned).collect();
    expected.insert(format!("{OPEN} nobody's"));
    assert_eq!(described(&read(&answer)), expected);
    assert_eq!(read(&answer), moneyer::openapi());
}

#[tokio::test]
async fn every_route_needs_its_permission_and_no_other() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let token = world.token(&svid(&foreign, "/ci/one")).await;
    let resources = Resource::ALL.map(Resource::as_str);
    let every: Vec<_> = resources
        .iter()
        .flat_map(|resource| ["read", "write"].map(|verb| format!("{resource}:{verb}")))
        .collect();
    for (method, path, permission) in needed() {
        let what = format!("{method} {path}");
        let path = path.replace("{trust_domain}", "nobody.example");
        let path = path.replace("{name}", "nobody").replace("{id}", "nobody");
        let path = path.replace("{client}", "nobody").replace("{context}", "nobody");
        let path = path.replace("{scope}", "nobody");
        let path = path.replace("{app}", "nobody").replace("{sandbox}", "nobody");
        let others: Vec<_> =
            every.iter().map(String::as_str).filter(|one| *one != permission).collect();
        world.let_in(&others).await;
        let answer = with(&world, method.clone(), &path, &token).await;
        assert_eq!(problem(&answer, 403), format!("no policy permits {permission}"), "{what}");
        refused(&send(&world, method.clone(), &path, &[]).await, &what);
        refused(&with(&world, method.clone(), &path, "x").await, &what);
        let verb = permission.split(':').nth(1).unwrap();
        for enough in [permission, &format!("*:{verb}")] {
            world.let_in(&[enough]).await;
            let answer = with(&world, method.clone(), &path, &token).await;
            let status = answer.status.as_u16();
            assert!(![401, 403, 405, 500].contains(&status), "{what} with {enough}: {status}");
        }
    }
}

#[tokio::test]
async fn what_is_done_with_a_token_is_recorded_under_the_workloads_name() {
    let (world, foreign) = world().await;
    world.let_in(&["apps:write"]).await;
    let token = world.token(&svid(&foreign, "/ci/one")).await;
    let bearer = format!("Bearer {token}");
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let put = ask(&remote(&world), Method::PUT, "/api/v1/apps/web", &fields, b"{}").await;
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.body));
    let audit = world.directory.path().join("audit");
    let files = std::fs::read_dir(audit).unwrap().map(|file| file.unwrap().path());
    let lines = files.filter(|file| file.extension().is_some_and(|end| end == "jsonl"));
    let lines: String = lines.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let record = lines.lines().find(|line| line.contains("\"app_put\"")).unwrap();
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["who"], "workload:spiffe://other.example/ci/one");
    assert!(!lines.contains(&token));
}

#[tokio::test]
async fn a_token_is_good_for_nothing_once_its_policy_is_gone() {
    let (world, foreign) = world().await;
    world.let_in(&["apps:read"]).await;
    let token = world.token(&svid(&foreign, "/ci/one")).await;
    assert_eq!(read(&with(&world, Method::GET, "/apps", &token).await), json!([]));
    let narrower = json!({ "patterns": ["spiffe://other.example/ci/*"], "effect": "allow" });
    world.put_policy("narrower", &narrower).await;
    problem(&with(&world, Method::GET, "/apps", &token).await, 403);
    assert_eq!(world.manage(Method::DELETE, "/policies/narrower", "").await.status, 204);
    assert_eq!(with(&world, Method::GET, "/apps", &token).await.status, 200);
    assert_eq!(world.manage(Method::DELETE, "/policies/everyone", "").await.status, 204);
    problem(&with(&world, Method::GET, "/apps", &token).await, 403);
    world.clock.advance(std::time::Duration::from_secs(900));
    refused(&with(&world, Method::GET, "/apps", &token).await, "an expired token");
}

#[tokio::test]
async fn a_token_is_shown_in_one_way_and_nobody_is_let_in_by_another() {
    let (world, foreign) = world().await;
    world.let_in(&["*:read"]).await;
    let token = world.token(&svid(&foreign, "/ci/one")).await;
    let (bearer, basic) = (format!("Bearer {token}"), format!("Basic {token}"));
    let double = format!("Bearer  {token}");
    for (what, fields) in [
        ("none", vec![]),
        ("another scheme", vec![("authorization", basic.as_str())]),
        ("no scheme", vec![("authorization", token.as_str())]),
        ("two blanks", vec![("authorization", double.as_str())]),
        ("twice", vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())]),
        ("another field", vec![("x-authorization", bearer.as_str())]),
        ("a cookie", vec![("cookie", bearer.as_str())]),
    ] {
        refused(&send(&world, Method::GET, "/apps", &fields).await, what);
    }
    refused(
        &send(&world, Method::GET, &format!("/apps?access_token={token}"), &[]).await,
        "a query",
    );
    // What was shown at the log-in is no token.
    refused(&with(&world, Method::GET, "/apps", &svid(&foreign, "/ci/one")).await, "an SVID");
    assert_eq!(with(&world, Method::GET, "/apps", &token).await.status, 200);
    problem(&with(&world, Method::GET, "/nothing", &token).await, 404);
}

#[tokio::test]
async fn a_token_is_good_at_no_other_listener() {
    let (world, foreign) = world().await;
    world.let_in(&["*:read", "*:write"]).await;
    let token = world.token(&svid(&foreign, "/ci/one")).await;
    let fields = [("authorization", format!("Bearer {token}"))];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let addresses = world.app.addresses();
    for address in [&addresses.public, &addresses.operations, &world.exchange()] {
        problem(&ask(address, Method::GET, "/api/v1/apps", &fields, b"").await, 404);
    }
    // gRPC knows certificates: a runner that has the token as well is a runner.
    let runner = world.join("runner-1").await;
    let mut request = tonic::Request::new(v1::PutAppRequest {
        app: Some(v1::App { name: "web".to_owned(), ..v1::App::default() }),
    });
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let refused = runner.placement().put_app(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}
