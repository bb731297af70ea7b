//! A coordinator whose keys are elsewhere: over the model of Vault's transit engine, and over SoftHSM2.

mod softhsm;
mod vault;
mod vault_server;

use moneyer_authority::keys::KeyState;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::{
    Audience, Clock as _, Expectations, IssuerUrl, KeySet, SystemClock, VerifiedToken, Verifier,
};
use moneyer_testkit::ManualClock;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{ISSUER, World, json, prepare};

/// Writes a configuration with this text in it; `@DIR@` is its directory.
fn configure(directory: &TempDir, text: &str) {
    prepare(directory);
    let file = directory.path().join("moneyer.toml");
    let text = text.replace("@DIR@", directory.path().to_str().unwrap());
    let whole = std::fs::read_to_string(&file).unwrap() + &text;
    std::fs::write(file, whole).unwrap();
}

async fn start_in(directory: TempDir, settings: &[(&str, &str)]) -> World {
    moneyer_daemon::tls::install_provider();
    let clock = ManualClock::default();
    clock.set(SystemClock.now());
    World::start_in(directory, clock, settings).await
}

/// The token as a relying party sees it: by what the public listener serves now.
async fn verified(world: &World, token: &str) -> VerifiedToken {
    let document = world.public(Method::GET, "/.well-known/openid-configuration", &[]).await;
    assert_eq!(json(&document)["issuer"], ISSUER);
    let key_set = world.public(Method::GET, "/.well-known/jwks.json", &[]).await;
    let expected = Expectations::exactly(Audience::parse("moneyer").unwrap());
    let keys = KeySet::parse(&key_set.body).unwrap();
    let verifier = Verifier::new(IssuerUrl::parse(ISSUER).unwrap(), keys);
    verifier.verify(token, &expected, world.clock.now()).unwrap()
}

/// The check of this name in `/readyz`, and whether all of it is well. What keeps keys elsewhere takes no coordinator
/// out of service.
async fn readiness(world: &World, name: &str) -> (bool, Option<Value>) {
    let answer = json(&world.operations(Method::GET, "/readyz").await);
    let checks = answer["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).cloned();
    assert_eq!(answer["ready"], true);
    (answer["state"] == "ready", check)
}

/// Waits until `/readyz` says that the keeper of this name works, or does not.
async fn until_it_works(world: &World, name: &str, works: bool) -> Value {
    for _ in 0..1200 {
        let (ready, check) = readiness(world, name).await;
        let check = check.unwrap();
        if (ready, check["ok"] == true) == (works, works) {
            return check;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{name} never came to be {works}");
}

/// The `kid`s of the served key set, in order.
async fn served(world: &World) -> Vec<String> {
    let answer = json(&world.public(Method::GET, "/.well-known/jwks.json", &[]).await);
    let keys = answer["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until so many keys of this state are in the ring.
async fn until_keys(world: &World, state: KeyState, count: usize) {
    for _ in 0..2400 {
        let ring = world.authority().keys().ring();
        if ring.records().filter(|key| key.state == state).count() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("there never were {count} {state:?} keys");
}
