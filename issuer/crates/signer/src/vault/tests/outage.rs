//! A Vault that is away, slow, sealed or too busy.

use std::sync::atomic::Ordering;
use std::time::Duration;

use moneyer_authority::signer::{KeyKind, Signer as _, SignerError};
use moneyer_testkit::START;
use moneyer_testkit::vault_model::ModelFault;
use tokio::time::Instant;

use super::{VaultOptions, Wire, World, problem, sign, unsigned, verify};

#[tokio::test(start_paused = true)]
async fn a_vault_that_cannot_be_reached_is_asked_twice_and_then_by_one_in_a_second() {
    let world = World::new();
    let key = world.key().await;
    world.wire.is_down.store(true, Ordering::Relaxed);
    world.wire.tries.store(0, Ordering::Relaxed);
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    assert_eq!(world.wire.tries.swap(0, Ordering::Relaxed), 2, "once, and once more");
    for _ in 0..100 {
        assert!(matches!(sign(&*key).await, Err(SignerError::Unavailable(_))));
    }
    assert_eq!(world.wire.tries.load(Ordering::Relaxed), 0, "everybody knows it is away");
    let fault = key.dependency().unwrap().fault.unwrap();
    assert_eq!((fault.since, key.dependency().unwrap().name), (START, "vault"));
    assert!(fault.problem.contains("connection refused"), "{fault:?}");
    world.clock.advance(Duration::from_secs(5));
    world.keep_for(Duration::from_secs(5)).await;
    assert_eq!(key.dependency().unwrap().fault.unwrap().since, START, "since the first failure");
    world.wire.is_down.store(false, Ordering::Relaxed);
    world.keep_for(Duration::from_secs(3)).await;
    assert_eq!(problem(&*key), None, "it is back by itself");
    verify(&[&key], &sign(&*key).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_key_opens_while_vault_is_away_and_signs_once_it_is_there() {
    let world = World::new();
    let new = world.signer.generate(KeyKind::P256).await.unwrap();
    let wire = Wire { model: world.model().clone(), ..Wire::default() };
    wire.is_down.store(true, Ordering::Relaxed);
    let started = World::on(wire, |options| options);
    let key = started.open(&new).await;
    assert!(matches!(sign(&*key).await, Err(SignerError::Unavailable(_))));
    started.wire.is_down.store(false, Ordering::Relaxed);
    started.keep_for(Duration::from_secs(3)).await;
    verify(&[&key], &sign(&*key).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_vault_no_key_of_which_is_in_use_is_back_once_it_answers() {
    let world = World::new();
    world.wire.is_down.store(true, Ordering::Relaxed);
    world.keep_for(Duration::from_secs(3)).await;
    world.wire.is_down.store(false, Ordering::Relaxed);
    world.keep_for(Duration::from_secs(3)).await;
    let key = world.key().await;
    assert_eq!(problem(&*key), None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_vault_is_waited_for_as_long_as_a_token_may_take() {
    let world = World::new();
    let key = world.key().await;
    world.wire.delay_ms.store(1_900, Ordering::Relaxed);
    sign(&*key).await.unwrap();
    world.wire.delay_ms.store(60_000, Ordering::Relaxed);
    let began = Instant::now();
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert!(matches!(sign(&*key).await, Err(SignerError::Unavailable(_))));
    assert_eq!(began.elapsed(), Duration::from_secs(2), "the next one is told at once");
    let told = problem(&*key).unwrap();
    assert_eq!(told, "Vault did not answer within 2000 ms");
    world.wire.delay_ms.store(0, Ordering::Relaxed);
    world.keep_for(Duration::from_secs(3)).await;
    sign(&*key).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sealed_vault_and_a_proxy_without_one_are_away() {
    let world = World::new();
    let key = world.key().await;
    for fault in [ModelFault::Sealed, ModelFault::Proxy(502), ModelFault::Proxy(473)] {
        world.model().fail(Some(fault));
        let refused = sign(&*key).await.unwrap_err();
        assert!(matches!(refused, SignerError::Unavailable(_)), "{fault:?}: {refused:?}");
        world.model().fail(None);
        world.keep_for(Duration::from_secs(3)).await;
        sign(&*key).await.unwrap();
    }
    world.model().fail(Some(ModelFault::Sealed));
    sign(&*key).await.unwrap_err();
    let told = problem(&*key).unwrap();
    assert!(told.contains("503") && told.contains("Vault is sealed"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_no_outage() {
    let world = World::new();
    let key = world.key().await;
    world.model().fail(Some(ModelFault::Proxy(429)));
    assert!(matches!(sign(&*key).await, Err(SignerError::Overloaded)));
    assert_eq!(problem(&*key), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_more_than_can_wait_is_refused_at_once() {
    let world = World::with(|options| VaultOptions { concurrency: 2, queue: 3, ..options });
    let key = world.key().await;
    world.wire.delay_ms.store(100, Ordering::Relaxed);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let key = key.clone();
        asking.spawn(async move { (sign(&*key).await, Instant::now()) });
    }
    let began = Instant::now();
    let answers = asking.join_all().await;
    let refused: Vec<_> =
        answers.iter().filter(|(done, _)| matches!(done, Err(SignerError::Overloaded))).collect();
    assert_eq!(refused.len(), 3, "two are under way and three wait");
    assert!(refused.iter().all(|(_, at)| *at == began));
    assert_eq!(answers.iter().filter(|(done, _)| done.is_ok()).count(), 5);
    assert_eq!(problem(&*key), None, "too much to do is no outage");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_forbids_signing_is_an_outage_that_one_in_a_second_asks_about() {
    let world = World::new();
    let key = world.key().await;
    world.model().revoke_tokens();
    world.model().accept_token_for("s.first", &["keys/"]);
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    let told = problem(&*key).unwrap();
    assert!(told.contains("Vault denies POST transit/sign/moneyer-ecdsa-p256"), "{told}");
    world.keep_for(Duration::from_secs(5)).await;
    assert!(problem(&*key).is_some(), "that it may be read is not enough");
    world.model().accept_token_for("s.first", &["keys/", "sign/"]);
    world.keep_for(Duration::from_secs(3)).await;
    assert_eq!(problem(&*key), None);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_fails_whole_and_with_its_reason() {
    let world = World::new();
    let key = world.key().await;
    world.wire.is_down.store(true, Ordering::Relaxed);
    let signed = key.sign_all((0..3).map(|_| unsigned(&*key)).collect()).await;
    assert_eq!(signed.len(), 3);
    assert!(signed.iter().all(|one| matches!(one, Err(SignerError::Unavailable(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_more_time_than_a_token() {
    let world = World::new();
    let key = world.key().await;
    world.wire.delay_ms.store(2_085, Ordering::Relaxed);
    let batch = |tokens| key.sign_all((0..tokens).map(|_| unsigned(&*key)).collect());
    assert!(
        batch(10).await.iter().all(Result::is_ok),
        "ten milliseconds for each beside the first"
    );
    assert!(batch(9).await.iter().all(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_takes_longer_than_half_a_minute_is_not_waited_for() {
    let world = World::new();
    world.wire.delay_ms.store(9_000, Ordering::Relaxed);
    // A log-in of two requests, and three for the key, are in time one after the other or not at all.
    let began = Instant::now();
    let refused = world.signer.generate(KeyKind::P256).await.unwrap_err();
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    world.wire.delay_ms.store(5_000, Ordering::Relaxed);
    world.signer.generate(KeyKind::P256).await.unwrap();
}
