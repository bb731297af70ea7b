//! Keys: made, opened, found, and what is wrong with one alone.

use std::time::Duration;

use moneyer_authority::signer::{KeyKind, Signer as _, SignerError};
use moneyer_identity::UnsignedCertificate;
use moneyer_testkit::signer::{existing_suite, suite};
use moneyer_testkit::vault_model::{ModelFault, VaultTransitModel};

use super::{Wire, World, path, problem, sign, unsigned, verify};
use crate::remote::kept_by;

const NAME: &str = "moneyer-ecdsa-p256";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_signer_is_a_signer() {
    suite(&World::new().signer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_signs_with_ed25519_keys_that_somebody_else_made() {
    let world = World::new();
    let mut keys = Vec::new();
    for name in ["signing-a", "signing-b"] {
        world.model().create(name, "ed25519");
        keys.push(world.signer.existing(&path(name), 1).await.unwrap());
    }
    let keys: [_; 2] = keys.try_into().unwrap();
    existing_suite(&world.signer, &keys).await;
}

#[tokio::test]
async fn a_token_costs_one_call_and_so_does_a_batch() {
    let world = World::new();
    let key = world.key().await;
    verify(&[&key], &sign(&*key).await.unwrap());
    assert_eq!(world.model().calls(), [format!("POST /v1/transit/sign/{NAME}/sha2-256")]);
    let tokens: Vec<_> = (0..50).map(|_| unsigned(&*key)).collect();
    for token in key.sign_all(tokens).await {
        verify(&[&key], &token.unwrap());
    }
    assert_eq!(world.model().calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_more_than_a_thousand_is_two_calls() {
    let world = World::new();
    let key = world.key().await;
    for (tokens, calls) in [(1000, 1), (1001, 2)] {
        let signed = key.sign_all((0..tokens).map(|_| unsigned(&*key)).collect()).await;
        assert!(signed.len() == tokens && signed.iter().all(Result::is_ok));
        assert_eq!(world.model().calls().len(), calls, "{tokens}");
    }
}

#[tokio::test]
async fn a_batch_answers_each_token_by_itself() {
    let world = World::new();
    let (key, other) = (world.key().await, world.key().await);
    let tokens = vec![unsigned(&*key), unsigned(&*other), unsigned(&*key)];
    let signed = key.sign_all(tokens).await;
    verify(&[&key], signed[0].as_ref().unwrap());
    assert!(matches!(signed[1], Err(SignerError::Mismatch)));
    verify(&[&key], signed[2].as_ref().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_rotation_in_vault_changes_nothing_about_what_is_signed_and_is_found() {
    let world = World::new();
    let key = world.key().await;
    let before = sign(&*key).await.unwrap();
    world.model().rotate(NAME);
    let after = sign(&*key).await.unwrap();
    for token in [&before, &after] {
        verify(&[&key], token);
    }
    assert!(world.signer.found(KeyKind::P256).await.unwrap().is_none(), "nobody looked yet");
    world.keep_for(Duration::from_secs(1)).await;
    let found = world.signer.found(KeyKind::P256).await.unwrap().unwrap();
    assert_ne!(found.verifying_key.key_id(), key.verifying_key().key_id());
    assert!(world.signer.found(KeyKind::Rsa2048).await.unwrap().is_none());
    let next = world.open(&found).await;
    assert!(world.signer.found(KeyKind::P256).await.unwrap().is_none(), "it is in use");
    verify(&[&key, &next], &sign(&*next).await.unwrap());
    verify(&[&key, &next], &sign(&*key).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_the_first_key_is_not_found() {
    let world = World::new();
    world.model().create(NAME, "ecdsa-p256");
    world.keep_for(Duration::from_secs(120)).await;
    assert!(world.signer.found(KeyKind::P256).await.unwrap().is_none());
    world.signer.generate(KeyKind::P256).await.unwrap();
    assert_eq!(world.model().latest(NAME), 2, "a key of ours is one that nobody had before");
}

#[tokio::test]
async fn a_key_of_another_type_is_not_taken() {
    let world = World::new();
    world.model().create("moneyer-rsa-2048", "ecdsa-p256");
    let refused = world.signer.generate(KeyKind::Rsa2048).await.unwrap_err();
    let told = moneyer_identity::error_chain(&refused);
    assert!(told.contains("of type ecdsa-p256, and rsa-2048 is needed"), "{told}");
    assert_eq!(world.model().latest("moneyer-rsa-2048"), 1, "it was not rotated either");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_may_not_sign_is_told_before_and_when_it_is_asked_for() {
    let world = World::new();
    let key = world.key().await;
    world.model().rotate(NAME);
    world.model().set_min_encryption_version(NAME, 2);
    world.keep_for(Duration::from_secs(1)).await;
    let told = problem(&*key).unwrap();
    assert!(told.contains("min_encryption_version") && told.contains("set it to 1"), "{told}");
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Sign(_)), "{refused:?}");
    assert!(moneyer_identity::error_chain(&refused).contains("min_encryption_version"));
    world.model().set_min_encryption_version(NAME, 1);
    world.keep_for(Duration::from_secs(1)).await;
    sign(&*key).await.unwrap();
    assert_eq!(problem(&*key), None);
    world.model().set_min_decryption_version(NAME, 2);
    world.keep_for(Duration::from_secs(1)).await;
    let told = problem(&*key).unwrap();
    assert!(told.contains("min_decryption_version"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_may_sign_again_is_known_to_without_a_signature_for_anybody() {
    for may in [&["keys/", "sign/"][..], &["sign/"]] {
        let world = World::new();
        let key = world.key().await;
        world.model().revoke_tokens();
        world.model().accept_token_for("s.first", may);
        world.model().rotate(NAME);
        world.model().set_min_encryption_version(NAME, 2);
        sign(&*key).await.unwrap_err();
        world.keep_for(Duration::from_secs(65)).await;
        let told = problem(&*key).unwrap();
        assert!(told.contains("min_encryption_version"), "{told}");
        world.model().set_min_encryption_version(NAME, 0);
        world.keep_for(Duration::from_secs(65)).await;
        assert_eq!(problem(&*key), None, "{may:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_for_a_key_that_is_used_no_more_or_has_nothing_wrong() {
    let world = World::new();
    let key = world.key().await;
    let signs =
        |world: &World| world.model().calls().iter().filter(|call| call.contains("/sign/")).count();
    world.keep_for(Duration::from_secs(65)).await;
    assert_eq!(signs(&world), 0);
    world.model().rotate(NAME);
    world.model().set_min_encryption_version(NAME, 2);
    sign(&*key).await.unwrap_err();
    drop((key, world.model().calls()));
    world.keep_for(Duration::from_secs(65)).await;
    assert_eq!(signs(&world), 0);
}

#[tokio::test]
async fn no_token_leaves_with_a_signature_that_is_not_its_own() {
    let world = World::new();
    let key = world.key().await;
    world.model().rotate(NAME);
    let faults = [
        ModelFault::BadSignature,
        ModelFault::LatestVersion,
        ModelFault::LyingVersion,
        ModelFault::Garbage,
    ];
    for fault in faults {
        world.model().fail(Some(fault));
        let refused = sign(&*key).await.unwrap_err();
        assert!(matches!(refused, SignerError::Sign(_)), "{fault:?}: {refused:?}");
        let signed = key.sign_all(vec![unsigned(&*key), unsigned(&*key)]).await;
        assert!(signed.iter().all(Result::is_err), "{fault:?}");
        let certificate = UnsignedCertificate::new(vec![0x30, 0]).unwrap();
        assert!(key.sign_certificate(certificate).await.is_err(), "{fault:?}");
        world.model().fail(None);
        verify(&[&key], &sign(&*key).await.unwrap());
    }
}

#[tokio::test]
async fn a_key_that_is_gone_is_named() {
    let world = World::new();
    let new = world.signer.generate(KeyKind::P256).await.unwrap();
    assert_eq!(kept_by(&new.handle), Some("vault"));
    let other = World::on(Wire::default(), |options| options);
    let key = other.open(&new).await;
    let refused = sign(&*key).await.unwrap_err();
    let told = moneyer_identity::error_chain(&refused);
    assert!(told.contains(&format!("there is no transit key {NAME}")), "{told}");
}

#[tokio::test]
async fn mount_and_namespace_are_those_of_the_options() {
    let model = VaultTransitModel::mounted("team/transit", Some("engineering"));
    let world = World::on(Wire { model, ..Wire::default() }, |options| super::VaultOptions {
        mount: path("team/transit"),
        namespace: Some(path("engineering")),
        key_prefix: path("blue"),
        ..options
    });
    let key = world.key().await;
    verify(&[&key], &sign(&*key).await.unwrap());
    assert_eq!(world.model().calls(), ["POST /v1/team/transit/sign/blue-ecdsa-p256/sha2-256"]);
}
