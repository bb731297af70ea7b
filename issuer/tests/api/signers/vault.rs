//! A coordinator over the model of Vault's transit engine.

use std::time::Duration;

use moneyer_authority::keys::KeyState;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::Clock as _;
use moneyer_testkit::TestCa;
use serde_json::json as value;
use tempfile::TempDir;
use tonic::Code;

use super::vault_server::VaultServer;
use super::{configure, readiness, served, start_in, until_it_works, until_keys, verified};
use crate::member::Member;
use crate::world::World;

/// Keys are published a minute before they sign: TLS goes by the machine's clock, so the test's may run ahead of
/// it by little.
const SOON: [(&str, &str); 3] =
    [("KEYS__MAX_AGE", "60s"), ("KEYS__PUBLISH_BEFORE_USE", "60s"), PATIENT];

/// A configuration whose signer is Vault, with a token in a file.
fn configured(server: &VaultServer) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("vault-token"), "s.first").unwrap();
    server.model.accept_token("s.first");
    let text = format!(
        "[signer]\nbackend = 'vault'\n[signer.vault]\naddress = 'http://{}'\n\
         token_file = '@DIR@/vault-token'\nrefresh_every = '1s'\n",
        server.address
    );
    configure(&directory, &text);
    directory
}

/// That a signature may take as long as may be: on a busy machine a model in the same process takes its time.
const PATIENT: (&str, &str) = ("SIGNER__VAULT__TIMEOUT", "10s");

async fn joined(world: &World) -> Member {
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_signed_in_vault_and_one_is_one_call() {
    let server = VaultServer::start();
    let world = start_in(configured(&server), &[]).await;
    let member = joined(&world).await;
    drop(server.model.calls());
    let minted = member.mint("web-1", &[]).await.unwrap();
    let token = verified(&world, &minted.token).await;
    assert_eq!(token.claim("sub"), Some(&value!("org:acme:app:web:sandbox:web-1")));
    let signed = server.model.calls().into_iter().filter(|call| call.contains("/sign/")).count();
    assert_eq!(signed, 1);
    let (ready, check) = readiness(&world, "vault").await;
    assert_eq!(
        (ready, check),
        (true, Some(value!({"name": "vault", "ok": true, "needed": false})))
    );
    let metrics = world.operations(Method::GET, "/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains(r#"moneyer_signer_up{signer="vault"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"moneyer_signer_seconds_count{signer="vault"}"#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotated_in_vault_between_two_mints_is_published_before_it_signs() {
    let server = VaultServer::start();
    let world = start_in(configured(&server), &SOON).await;
    let member = joined(&world).await;
    let first = member.mint("web-1", &[]).await.unwrap();
    server.model.rotate("moneyer-ecdsa-p256");
    let second = member.mint("web-1", &[]).await.unwrap();
    assert_eq!(second.key_id, first.key_id, "each mint names its version");
    for minted in [&first, &second] {
        verified(&world, &minted.token).await;
    }
    until_keys(&world, KeyState::Prepared, 1).await;
    let prepared = until_two_are_served(&world, &first.key_id).await;
    world.manage(Method::POST, "/keys", r#"{"command":"rotate"}"#).await;
    world.clock.advance(Duration::from_secs(58));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let third = member.mint("web-1", &[]).await.unwrap();
    assert_eq!(third.key_id, first.key_id, "it is published, and signs nothing yet");
    world.clock.advance(Duration::from_secs(5));
    let last = until_signed_by(&world, &member, &prepared).await;
    verified(&world, &last).await;
    verified(&world, &first.token).await;
}

/// The other key of a key set of two, whose first is this one.
async fn until_two_are_served(world: &World, first: &str) -> String {
    for _ in 0..2400 {
        let ring = world.authority().keys().ring();
        let noted = ring.records().all(|key| key.published_at.is_some());
        if let ([active, prepared], true) = (served(world).await.as_slice(), noted) {
            assert_eq!(active, first);
            return prepared.clone();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("a second key was never served");
}

/// A token of this key, once it signs: on a busy machine a look at what is published may fail, and the next one
/// is half a minute later.
async fn until_signed_by(world: &World, member: &Member, key_id: &str) -> String {
    for _ in 0..2400 {
        let minted = member.mint("web-1", &[]).await.unwrap();
        if minted.key_id == key_id {
            return minted.token.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (ring, now) = (world.authority().keys().ring(), world.clock.now());
    let keys: Vec<_> =
        ring.records().map(|key| (&key.key_id, key.state, key.published_at)).collect();
    panic!("{key_id} never signed; at {now} there are {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_vault_is_away_minting_is_refused_in_two_seconds_and_all_else_goes_on() {
    let mut server = VaultServer::start();
    let world = start_in(configured(&server), &[]).await;
    let member = joined(&world).await;
    let before = member.mint("web-1", &[]).await.unwrap();
    server.close();
    let began = tokio::time::Instant::now();
    for _ in 0..20 {
        let refused = member.mint("web-1", &[]).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    verified(&world, &before.token).await;
    let (ready, check) = readiness(&world, "vault").await;
    let problem = check.unwrap()["problem"].as_str().unwrap().to_owned();
    assert!(!ready && problem.starts_with("since 20"), "{problem}");
    assert!(problem.contains("Vault cannot be reached"), "{problem}");
    server.open();
    until_it_works(&world, "vault", true).await;
    let after = member.mint("web-1", &[]).await.unwrap();
    verified(&world, &after.token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_starts_without_vault_serves_its_documents_and_mints_once_it_is_there() {
    let mut server = VaultServer::start();
    let world = start_in(configured(&server), &[]).await;
    let member = joined(&world).await;
    let before = member.mint("web-1", &[]).await.unwrap();
    let World { app, clock, directory } = world;
    app.stop().await;
    server.close();
    let world = World::start_in(directory, clock, &[]).await;
    verified(&world, &before.token).await;
    let told = until_it_works(&world, "vault", false).await;
    assert!(told["problem"].as_str().unwrap().contains("Vault cannot be reached"), "{told}");
    let member = world.join("runner-2").await;
    world.place("web-2", "runner-2").await;
    let refused = member.mint("web-2", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    server.open();
    until_it_works(&world, "vault", true).await;
    let after = member.mint("web-2", &[]).await.unwrap();
    assert_eq!(after.key_id, before.key_id);
    verified(&world, &after.token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_moves_from_its_own_keys_to_vault_by_a_rotation() {
    let server = VaultServer::start();
    let directory = configured(&server);
    let local = [SOON[0], SOON[1], SOON[2], ("SIGNER__BACKEND", "local")];
    let world = start_in(directory, &local).await;
    let member = joined(&world).await;
    let before = member.mint("web-1", &[]).await.unwrap();
    assert!(server.model.calls().iter().all(|call| !call.contains("/keys/")));
    let World { app, clock, directory } = world;
    app.stop().await;
    let world = World::start_in(directory, clock, &SOON).await;
    let member = joined(&world).await;
    let between = member.mint("web-1", &[]).await.unwrap();
    assert_eq!(between.key_id, before.key_id, "its own key signs until another is published");
    world.manage(Method::POST, "/keys", r#"{"command":"rotate"}"#).await;
    let next = until_two_are_served(&world, &before.key_id).await;
    until_keys(&world, KeyState::Prepared, 1).await;
    world.clock.advance(Duration::from_secs(63));
    let after = until_signed_by(&world, &member, &next).await;
    verified(&world, &after).await;
    verified(&world, &before.token).await;
    assert!(server.model.calls().iter().any(|call| call.contains("/sign/moneyer-ecdsa-p256/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_is_asked_over_tls_and_trusted_by_the_configured_authority_alone() {
    moneyer_daemon::tls::install_provider();
    let ca = TestCa::default();
    let server = VaultServer::start_with_tls(&ca);
    server.model.accept_login(
        "approle",
        value!({"role_id": "moneyer", "secret_id": "s3cret"}),
        Duration::from_secs(3600),
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret-id"), "s3cret").unwrap();
    std::fs::write(directory.path().join("ca.pem"), &ca.pem).unwrap();
    let text = format!(
        "[signer]\nbackend = 'vault'\n[signer.vault]\naddress = 'https://localhost:{}'\n\
         ca_file = '@DIR@/ca.pem'\n[signer.vault.approle]\nrole_id = 'moneyer'\n\
         secret_id_file = '@DIR@/secret-id'\n",
        server.address.port()
    );
    configure(&directory, &text);
    let world = start_in(directory, &[]).await;
    let member = joined(&world).await;
    let minted = member.mint("web-1", &[]).await.unwrap();
    verified(&world, &minted.token).await;
}
