//! What the status page says of a rotation that waits for the public copy.

use std::time::Duration;

use moneyer_daemon::unix_http::Method;
use serde_json::Value;

use super::site::{Site, until};
use crate::world::{World, json};

async fn view(world: &World) -> Value {
    json(&world.operations(Method::GET, "/status.json").await)
}

async fn page(world: &World) -> String {
    String::from_utf8(world.operations(Method::GET, "/").await.body).unwrap()
}

#[tokio::test]
async fn a_key_that_waits_for_the_public_copy_is_said_until_it_is_seen() {
    let site = Site::start().await;
    let settings = [("PUBLISH__VERIFY_URL", &*site.url), ("PUBLISH__VERIFY_EVERY", "20ms")];
    let world = World::with(&settings).await;
    site.copy(&world).await;
    let shows = |count| {
        move |status: &Value| status["public_copy"]["shows"].as_array().unwrap().len() == count
    };
    until(&world, "the first key is not seen", shows(1)).await;
    assert_eq!(view(&world).await["verdict"]["state"], "good");

    let prepare = r#"{"command":"prepare","dry_run":false}"#;
    assert_eq!(world.manage(Method::POST, "/keys", prepare).await.status, 200);
    let lacks = |status: &Value| !status["public_copy"]["lacks"].as_array().unwrap().is_empty();
    let status = until(&world, "nothing is lacking", lacks).await;
    let key_id = status["public_copy"]["lacks"][0].as_str().unwrap().to_owned();
    let waiting = view(&world).await;
    assert_eq!(waiting["verdict"]["state"], "attention");
    let said = waiting["verdict"]["sentence"].as_str().unwrap();
    let short: String = key_id.chars().take(12).collect();
    assert_eq!(said, format!("Tokens are minted. Key {short}… waits for the public copy."));
    let key = &waiting["keys"][1];
    assert_eq!((&key["key_id"], &key["seen"]), (&key_id.as_str().into(), &false.into()));
    assert!(key["turn_at"].is_null(), "nobody knows when");
    assert!(waiting["rotations"][0]["signs_at"].is_null());
    assert_eq!(waiting["rotations"][0]["waits_for"], "publication");
    let told = page(&world).await;
    for text in
        ["waits until relying parties are seen to be served it", "moneyer publish now", "not seen"]
    {
        assert!(told.contains(text), "{text} is not in\n{told}");
    }

    // The first key is gone from there: what it signs is refused.
    let active = waiting["keys"][0]["key_id"].as_str().unwrap();
    site.edit("/.well-known/jwks.json", active, "another");
    until(&world, "the active key is seen", shows(0)).await;
    let failing = view(&world).await;
    assert_eq!(failing["verdict"]["state"], "failing");
    let said = failing["verdict"]["sentence"].as_str().unwrap();
    assert!(said.contains("which signs: they refuse its tokens"), "{said}");

    site.copy(&world).await;
    until(&world, "the second key is not seen", shows(2)).await;
    world.authority().rotate().await;
    let good = view(&world).await;
    assert_eq!(good["verdict"]["state"], "good", "{good:#}");
    let day = Duration::from_secs(24 * 3600);
    assert!(
        good["rotations"][0]["signs_at"].as_i64().unwrap() >= world.authority().now().plus(day).0
    );
}

#[tokio::test]
async fn a_copy_that_is_not_written_is_named_with_its_cause() {
    let world = World::with(&[("PUBLISH__DIRECTORY", "/nonexistent/www")]).await;
    let has_problem = |status: &Value| status["targets"][0]["problem"].is_string();
    until(&world, "no problem told", has_problem).await;
    let shown = page(&world).await;
    assert!(shown.contains("The copy in /nonexistent/www is not written."), "{shown}");
    assert!(shown.contains("Cause: /nonexistent/www is not a directory; make it"), "{shown}");
    assert_eq!(view(&world).await["verdict"]["state"], "attention");
}
