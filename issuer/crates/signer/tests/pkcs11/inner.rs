//! What runs in a process that sees a token.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, UserType};
use moneyer_authority::signer::{KeyKind, NewKey, Signer as _, SignerError, SigningKey};
use moneyer_identity::{Expectations, KeySet, SystemClock, Token, UnsignedToken, Verifier};
use moneyer_signer::PoolLimits;
use moneyer_signer::pkcs11::{Pkcs11Options, Pkcs11Signer, TokenChoice};
use moneyer_testkit::START;
use moneyer_testkit::signer::{sample_claims, suite};

use crate::token::{LABEL, PIN, directory, library, run};

fn options() -> Pkcs11Options {
    Pkcs11Options {
        module: library(),
        token: TokenChoice::Label(LABEL.to_owned()),
        pin_file: directory().join("pin"),
        timeout: Duration::from_secs(30),
        pool: PoolLimits { threads: NonZeroUsize::new(2).unwrap(), queue: 1024 },
    }
}

fn start(options: Pkcs11Options) -> Pkcs11Signer {
    Pkcs11Signer::start(options, Arc::new(SystemClock)).unwrap()
}

async fn open(signer: &Pkcs11Signer, key: &NewKey) -> Arc<dyn SigningKey> {
    signer.open(&key.verifying_key, &key.handle).await.unwrap()
}

async fn sign(key: &dyn SigningKey) -> Result<Token, SignerError> {
    let key_id = key.verifying_key().key_id().clone();
    key.sign(UnsignedToken::new(key_id, &sample_claims()).unwrap()).await
}

async fn signs(key: &dyn SigningKey) {
    let token = sign(key).await.unwrap();
    let set = KeySet::new(vec![key.verifying_key().clone()]).unwrap();
    let expected = Expectations::exactly("https://rp.example.com".parse().unwrap());
    let verifier = Verifier::new(sample_claims().iss, set);
    verifier.verify(token.expose(), &expected, START).unwrap();
}

fn problem(key: &dyn SigningKey) -> Option<String> {
    key.dependency().unwrap().fault.map(|fault| fault.problem)
}

/// Another session of this process, as the library sees it: log-in and log-out are of all of them.
fn other_session() -> Session {
    let library = Pkcs11::new(library()).unwrap();
    let slots = library.get_slots_with_initialized_token().unwrap();
    library.open_rw_session(slots[0]).unwrap()
}

async fn keep_for(signer: &Pkcs11Signer, time: Duration) {
    tokio::time::timeout(time, signer.clone().keep()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn is_a_signer() {
    suite(&start(options())).await;
}

#[tokio::test]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn lost_sessions() {
    let signer = start(options());
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let key = open(&signer, &signer.generate(kind).await.unwrap()).await;
        signs(&*key).await;
        // Whoever logs out logs every session out.
        for _ in 0..3 {
            other_session().logout().unwrap();
            signs(&*key).await;
        }
        // Every session and the library itself are gone, as after a restart of what stands behind it.
        for _ in 0..3 {
            Pkcs11::new(library()).unwrap().finalize().unwrap();
            signs(&*key).await;
        }
        assert_eq!(problem(&*key), None);
    }
}

#[tokio::test]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn away_and_back() {
    let new = start(options()).generate(KeyKind::P256).await.unwrap();
    let module: PathBuf = directory().join("module.so");
    let signer = start(Pkcs11Options { module: module.clone(), ..options() });
    let key = open(&signer, &new).await;
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    let told = problem(&*key).unwrap();
    assert!(told.contains(&format!("the PKCS#11 library {} cannot", module.display())), "{told}");
    std::os::unix::fs::symlink(library(), &module).unwrap();
    keep_for(&signer, Duration::from_secs(3)).await;
    assert_eq!(problem(&*key), None, "it is back by itself");
    signs(&*key).await;

    let nobody = TokenChoice::Label("nobody".to_owned());
    let key = open(&start(Pkcs11Options { token: nobody, ..options() }), &new).await;
    sign(&*key).await.unwrap_err();
    let told = problem(&*key).unwrap();
    assert!(told.contains(r#"there is no token labelled "nobody""#), "{told}");
}

#[tokio::test]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn refused_pin() {
    // The library stays loaded for as long as somebody has it.
    let first = start(options());
    let new = first.generate(KeyKind::P256).await.unwrap();
    other_session().logout().unwrap();
    let pin_file = directory().join("other-pin");
    std::fs::write(&pin_file, "8765").unwrap();
    let signer = start(Pkcs11Options { pin_file: pin_file.clone(), ..options() });
    let key = open(&signer, &new).await;
    sign(&*key).await.unwrap_err();
    let told = problem(&*key).unwrap();
    assert!(told.contains("it is tried again when the file holds another"), "{told}");
    let wrong_ones = || {
        let library = Pkcs11::new(library()).unwrap();
        let slot = library.get_slots_with_initialized_token().unwrap()[0];
        library.get_token_info(slot).unwrap().user_pin_count_low()
    };
    assert!(wrong_ones(), "the token counts");
    // A right log-in resets the token's count, and another wrong one would begin it anew.
    let session = other_session();
    session.login(UserType::User, Some(&PIN.to_owned().into())).unwrap();
    session.logout().unwrap();
    keep_for(&signer, Duration::from_secs(3)).await;
    assert!(!wrong_ones(), "it was tried again");
    std::fs::write(&pin_file, PIN).unwrap();
    keep_for(&signer, Duration::from_secs(3)).await;
    signs(&*key).await;
}

#[tokio::test]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn kept_keys() {
    let signer = start(options());
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let key = signer.generate(kind).await.unwrap();
        let module = library();
        let asked = ["--module", module.to_str().unwrap(), "--token-label", LABEL, "--login"];
        let listed = [&asked[..], &["--pin", PIN, "--list-objects"]].concat();
        let said = run(&directory(), "pkcs11-tool", &listed);
        let label = format!("moneyer {}", key.verifying_key.thumbprint());
        let objects: Vec<_> = said.split(" Object; ").filter(|one| one.contains(&label)).collect();
        assert_eq!(objects.len(), 2, "{said}");
        assert!(said.contains("sensitive, always sensitive, never extractable, local"), "{said}");
    }
}

#[tokio::test]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn gone() {
    let signer = start(options());
    let (new, other) =
        (signer.generate(KeyKind::P256).await.unwrap(), signer.generate(KeyKind::P256).await);
    let (key, other) = (open(&signer, &new).await, open(&signer, &other.unwrap()).await);
    let session = other_session();
    let label = format!("moneyer {}", new.verifying_key.thumbprint()).into_bytes();
    let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label)];
    for object in session.find_objects(&wanted).unwrap() {
        session.destroy_object(object).unwrap();
    }
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Sign(_)), "{refused:?}");
    let told = problem(&*key).unwrap();
    assert!(told.contains("the token holds no private key with CKA_ID"), "{told}");
    signs(&*other).await;
    assert_eq!(problem(&*other), None);
}

#[tokio::test]
#[ignore = "needs a token, which the test of main.rs makes"]
async fn slow() {
    let new = start(options()).generate(KeyKind::Rsa4096).await.unwrap();
    let signer = start(Pkcs11Options { timeout: Duration::from_nanos(1), ..options() });
    let key = open(&signer, &new).await;
    // Where no thread began in that time there is too much to do, and nothing is wrong with the module.
    let refused = loop {
        match sign(&*key).await {
            Err(SignerError::Overloaded) => assert_eq!(problem(&*key), None),
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    assert_eq!(problem(&*key).unwrap(), "the security module did not answer within 0 ms");
}
