use std::num::NonZeroUsize;
use std::sync::mpsc;

use moneyer_authority::signer::{KeyHandle, Signer as _, SignerError};
use moneyer_identity::{Token, UnsignedCertificate, UnsignedToken};
use moneyer_testkit::FixtureKey;
use moneyer_testkit::signer::{FixtureSigner, adopted_suite, sample_claims, suite};

use super::LocalSigner;
use crate::pool::{Pool, PoolLimits};

fn limits(threads: usize, queue: usize) -> PoolLimits {
    PoolLimits { threads: NonZeroUsize::new(threads).unwrap(), queue }
}

fn signer() -> LocalSigner {
    LocalSigner::start(limits(2, 1024)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_signer_is_a_signer() {
    suite(&signer()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_signer_signs_with_adopted_keys() {
    adopted_suite(&signer()).await;
}

// RFC 8032 signatures are deterministic too.
#[tokio::test]
async fn eddsa_makes_the_bytes_that_openssl_makes() {
    let public = FixtureKey::ED25519_A.verifying_key();
    let unsigned = UnsignedToken::new(public.key_id().clone(), &sample_claims()).unwrap();
    let ours = signer().open(&public, &FixtureKey::ED25519_A.handle()).await.unwrap();
    let theirs = FixtureSigner::default().open(&public, &FixtureKey::ED25519_A.handle()).await;
    let (ours, theirs) =
        (ours.sign(unsigned.clone()).await.unwrap(), theirs.unwrap().sign(unsigned).await.unwrap());
    assert_eq!(ours.expose(), theirs.expose());
}

// RSASSA-PKCS1-v1_5 has one signature for each message: OpenSSL's is the same.
#[tokio::test]
async fn rs256_makes_the_bytes_that_openssl_makes() {
    for key in [FixtureKey::RSA_2048_A, FixtureKey::RSA_3072, FixtureKey::RSA_4096] {
        let public = key.verifying_key();
        let unsigned = UnsignedToken::new(public.key_id().clone(), &sample_claims()).unwrap();
        let sign = async |with: &dyn moneyer_authority::signer::Signer| -> Token {
            let opened = with.open(&public, &key.handle()).await.unwrap();
            opened.sign(unsigned.clone()).await.unwrap()
        };
        let ours = sign(&signer()).await;
        let theirs = sign(&FixtureSigner::default()).await;
        assert_eq!(ours.expose(), theirs.expose(), "{}", key.name);
    }
}

// The same holds of a certificate, whose thumbprint relying parties are told.
#[tokio::test]
async fn a_certificate_has_the_signature_that_openssl_makes() {
    let unsigned = UnsignedCertificate::new(vec![0x30, 0x00]).unwrap();
    for key in [FixtureKey::RSA_2048_A, FixtureKey::RSA_4096, FixtureKey::ED25519_A] {
        let public = key.verifying_key();
        let ours = signer().open(&public, &key.handle()).await.unwrap();
        let theirs = FixtureSigner::default().open(&public, &key.handle()).await.unwrap();
        let ours = ours.sign_certificate(unsigned.clone()).await.unwrap();
        assert_eq!(ours, theirs.sign_certificate(unsigned.clone()).await.unwrap(), "{}", key.name);
    }
}

#[tokio::test]
async fn keys_that_are_not_ours_are_not_opened() {
    let rsa = FixtureKey::RSA_2048_A.verifying_key();
    let p256 = FixtureKey::P256_A.verifying_key();
    let ed25519 = FixtureKey::ED25519_A.verifying_key();
    let pkcs8 = FixtureKey::ED25519_A.pkcs8();
    let longer = KeyHandle::new([&pkcs8[..], &[0]].concat());
    let bare = KeyHandle::new(pkcs8[16..].to_vec());
    let cases = [
        ("the modulus of another key", &rsa, FixtureKey::mismatched_rsa()),
        ("1024 bits", &rsa, FixtureKey::RSA_1024.handle()),
        ("PEM", &rsa, KeyHandle::new(FixtureKey::RSA_2048_A.pem().as_bytes().to_vec())),
        ("P-384", &p256, FixtureKey::P384.handle()),
        ("an RSA key for P-256", &p256, FixtureKey::RSA_2048_A.handle()),
        ("an RSA key for Ed25519", &ed25519, FixtureKey::RSA_2048_A.handle()),
        ("Ed25519, one byte more", &ed25519, longer),
        ("Ed25519 without its wrapping", &ed25519, bare),
        ("an Ed25519 key for P-256", &p256, FixtureKey::ED25519_A.handle()),
    ];
    for (case, public, handle) in cases {
        let opened = signer().open(public, &handle).await;
        assert!(matches!(opened, Err(SignerError::Open(_))), "{case}: {opened:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_the_queue_is_refused_at_once() {
    let pool = Pool::start(limits(1, 1)).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (begun, started) = mpsc::channel();
    let blocking = tokio::spawn({
        let pool = pool.clone();
        async move {
            pool.run(move || {
                begun.send(()).unwrap();
                wait.recv().ok();
            })
            .await
        }
    });
    tokio::task::spawn_blocking(move || started.recv().unwrap()).await.unwrap();
    let mut queued = Box::pin(pool.run(|| 1));
    assert!(futures_pending(&mut queued).await);
    assert!(matches!(pool.run(|| 2).await, Err(SignerError::Overloaded)));
    go.send(()).unwrap();
    blocking.await.unwrap().unwrap();
    assert_eq!(queued.await.unwrap(), 1);
    assert_eq!(pool.run(|| 3).await.unwrap(), 3);
}

/// Whether a future, polled once, is not done.
async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
    })
    .await
}

#[tokio::test]
async fn a_job_whose_caller_hung_up_is_not_done() {
    let pool = Pool::start(limits(1, 4)).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (done, did) = mpsc::channel();
    let mut first = Box::pin(pool.run(move || wait.recv().ok()));
    assert!(futures_pending(&mut first).await);
    let mut second = Box::pin(pool.run(move || done.send(()).unwrap()));
    assert!(futures_pending(&mut second).await);
    drop(second);
    go.send(()).unwrap();
    first.await.unwrap();
    pool.run(|| ()).await.unwrap();
    assert_eq!(did.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[tokio::test]
async fn a_job_that_panics_costs_no_thread() {
    let pool = Pool::start(limits(1, 4)).unwrap();
    for _ in 0..3 {
        let answer = pool.run(|| panic!("a fault in a crypto library")).await;
        assert!(matches!(answer, Err::<(), _>(SignerError::Unavailable(_))));
    }
    assert_eq!(pool.run(|| 7).await.unwrap(), 7);
}

/// What a token signed by this key costs its caller's thread: `true` where it waits for no other.
async fn is_signed_here(signer: &LocalSigner, key: FixtureKey) -> bool {
    let public = key.verifying_key();
    let unsigned = UnsignedToken::new(public.key_id().clone(), &sample_claims()).unwrap();
    let opened = signer.open(&public, &key.handle()).await.unwrap();
    let mut signing = opened.sign(unsigned);
    let here = !futures_pending(&mut signing).await;
    if !here {
        signing.await.unwrap();
    }
    here
}

#[tokio::test]
async fn a_short_job_that_comes_alone_is_done_where_it_is_asked_for() {
    let signer = LocalSigner::start(limits(1, 4)).unwrap();
    assert!(is_signed_here(&signer, FixtureKey::RSA_2048_A).await);
    assert!(is_signed_here(&signer, FixtureKey::P256_A).await, "the turn before has ended");
    for key in [FixtureKey::RSA_3072, FixtureKey::RSA_4096] {
        // On a busy machine the other thread may have answered before it is asked for the first time.
        let mut here = 0;
        while here < 100 && is_signed_here(&signer, key).await {
            here += 1;
        }
        assert!(here < 100, "it takes too long");
    }
}

#[tokio::test]
async fn a_turn_is_had_by_one_while_nothing_else_is_done() {
    let pool = Pool::start(limits(1, 4)).unwrap();
    let turn = pool.turn().unwrap();
    assert!(pool.turn().is_none(), "somebody has it");
    drop(turn);
    let (go, wait) = mpsc::channel::<()>();
    let mut first = Box::pin(pool.run(move || wait.recv().ok()));
    assert!(futures_pending(&mut first).await);
    assert!(pool.turn().is_none(), "a job waits, or is being done");
    go.send(()).unwrap();
    first.await.unwrap();
    // The thread is done a moment after its answer.
    while pool.turn().is_none() {
        tokio::task::yield_now().await;
    }
}
