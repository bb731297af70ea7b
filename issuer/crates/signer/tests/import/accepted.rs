//! What is taken, in every encoding, and that it signs.

use moneyer_authority::signer::Signer as _;
use moneyer_identity::UnsignedToken;
use moneyer_signer::import::{ImportError, ImportedKey, ImportedPublicKey};
use moneyer_signer::{LocalSigner, PoolLimits};
use moneyer_testkit::FixtureKey;
use moneyer_testkit::signer::sample_claims;

use crate::files::{folder, key_of};

#[tokio::test]
async fn every_encoding_gives_the_key_that_signs() {
    let signer = LocalSigner::start(PoolLimits::default()).unwrap();
    for (file, bytes) in folder("good") {
        let key = ImportedKey::parse(&bytes).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        let expected = key_of(&file).verifying_key();
        assert_eq!(key.key_id(), expected.thumbprint(), "{file}");
        assert_eq!(key.verifying_key().jwk(), expected.jwk(), "{file}");
        let opened = signer.open(&expected, key.handle()).await;
        let opened = opened.unwrap_or_else(|error| panic!("{file}: {error:?}"));
        let token = UnsignedToken::new(key.key_id().clone(), &sample_claims()).unwrap();
        opened.sign(token).await.unwrap_or_else(|error| panic!("{file}: {error:?}"));
    }
}

/// One key has one form at rest, whatever file it came from.
#[test]
fn the_handle_does_not_depend_on_the_encoding() {
    for (file, bytes) in folder("good") {
        let key = ImportedKey::parse(&bytes).unwrap();
        let plain = ImportedKey::parse(key_of(&file).pem().as_bytes()).unwrap();
        assert_eq!(key.handle(), plain.handle(), "{file}");
    }
    let ed25519 = ImportedKey::parse(FixtureKey::ED25519_A.pem().as_bytes()).unwrap();
    assert_eq!(ed25519.handle().expose().len(), 48);
}

#[test]
fn every_public_encoding_and_every_private_one_gives_the_key_that_verifies() {
    for (file, bytes) in folder("public").into_iter().chain(folder("good")) {
        let key = ImportedPublicKey::parse(&bytes);
        let key = key.unwrap_or_else(|error| panic!("{file}: {error:?}"));
        assert_eq!(key.key_id(), key_of(&file).verifying_key().thumbprint(), "{file}");
    }
}

#[test]
fn a_public_key_is_no_private_one() {
    for (file, bytes) in folder("public") {
        let refused = ImportedKey::parse(&bytes);
        assert!(matches!(refused, Err(ImportError::PublicOnly)), "{file}: {refused:?}");
    }
}

/// A size that no signing key has, but that another issuer's tokens may need.
#[test]
fn odd_sizes_verify_only() {
    let of = |name: &str| folder("refused").into_iter().find(|(file, _)| file == name).unwrap().1;
    assert!(ImportedPublicKey::parse(&of("rsa-2056.pem")).is_ok());
    let refused = ImportedKey::parse(&of("rsa-2056.pem"));
    assert!(matches!(refused, Err(ImportError::RsaSize { bits: 2056 })), "{refused:?}");
    let refused = ImportedPublicKey::parse(&of("rsa-4104.pem"));
    assert!(matches!(refused, Err(ImportError::RsaSize { bits: 4104 })), "{refused:?}");
}

#[test]
fn a_file_has_64_kib_at_most() {
    let mut file = FixtureKey::ED25519_A.pem().as_bytes().to_vec();
    file.resize(64 * 1024, b'\n');
    assert!(ImportedKey::parse(&file).is_ok());
    file.push(b'\n');
    assert!(matches!(ImportedKey::parse(&file), Err(ImportError::TooLarge)));
}

#[test]
fn nothing_shows_the_private_half() {
    let key = ImportedKey::parse(FixtureKey::ED25519_A.pem().as_bytes()).unwrap();
    let shown = format!("{key:?} {key:#?} {:?}", key.handle());
    let seed = &key.handle().expose()[16..];
    for form in [format!("{seed:?}"), format!("{seed:x?}"), format!("{seed:02x?}")] {
        assert!(!shown.contains(&form), "{shown}");
    }
    assert!(shown.contains("redacted"));
}
