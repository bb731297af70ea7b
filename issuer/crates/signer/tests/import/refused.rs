//! Case 68: what is refused, each for its own reason, and nothing of the key in the words.

use std::error::Error as _;

use moneyer_identity::ErrorClass;
use moneyer_signer::import::{ImportError, ImportedKey, ImportedPublicKey};

use crate::files::folder;

/// Each file and the error that it gives as a private key.
const REFUSED: [(&str, &str); 82] = [
    ("binary.bin", "NotText"),
    ("blank.pem", "Empty"),
    ("certificate.der", "Certificate"),
    ("certificate.pem", "Certificate"),
    ("cut-base64.pem", "Damaged"),
    ("cut.der", "Damaged"),
    ("cut.pem", "Damaged"),
    ("dashes.pem", "Damaged"),
    ("ec-explicit.pem", "Curve"),
    ("ec-explicit.sec1.pem", "Curve"),
    ("ec-no-curve.pem", "Curve"),
    ("ec-other-parameters.pem", "Curve"),
    ("ec-other-public.pem", "Mismatch"),
    ("ec-p384.pem", "Curve"),
    ("ec-p384.pub.pem", "PublicOnly"),
    ("ec-p384.sec1.pem", "Curve"),
    ("ec-p521.pem", "Curve"),
    ("ec-p521.pub.pem", "PublicOnly"),
    ("ec-p521.sec1.pem", "Curve"),
    ("ec-renamed-public.pem", "Damaged"),
    ("ec-secp256k1.pem", "Curve"),
    ("ec-secp256k1.pub.pem", "PublicOnly"),
    ("ec-secp256k1.sec1.pem", "Curve"),
    ("ec-zero.pem", "Mismatch"),
    ("ed25519-other-public.pem", "Mismatch"),
    ("ed25519-small-order.pub.pem", "PublicOnly"),
    ("ed448.pem", "Algorithm"),
    ("empty.pem", "Empty"),
    ("encrypted-openssh.pem", "Encrypted"),
    ("encrypted-pkcs8.der", "Encrypted"),
    ("encrypted-pkcs8.pem", "Encrypted"),
    ("encrypted-traditional.pem", "Encrypted"),
    ("headers.pem", "Damaged"),
    ("key-and-certificate.pem", "Certificate"),
    ("labels.pem", "Damaged"),
    ("latin1.pem", "NotText"),
    ("odd-base64.pem", "Damaged"),
    ("openssh-all.pem", "Mismatch"),
    ("openssh-appended.pem", "Mismatch"),
    ("openssh-ecdsa.pem", "OpenSshKind"),
    ("openssh-inside.pem", "Mismatch"),
    ("openssh-outside.pem", "Mismatch"),
    ("openssh-rsa.pem", "OpenSshKind"),
    ("openssh-two-keys.pem", "Several"),
    ("private-and-public.pem", "Several"),
    ("rsa-1024.pem", "RsaSize"),
    ("rsa-1024.pkcs1.pem", "RsaSize"),
    ("rsa-1024.pub.pem", "PublicOnly"),
    ("rsa-2056.pem", "RsaSize"),
    ("rsa-4104.pem", "RsaSize"),
    ("rsa-e1-consistent.pem", "Exponent"),
    ("rsa-e1.pem", "Exponent"),
    ("rsa-e3.pem", "Exponent"),
    ("rsa-e3.pub.pem", "PublicOnly"),
    ("rsa-even-e.pem", "Exponent"),
    ("rsa-even-n.pem", "EvenModulus"),
    ("rsa-large-e.pem", "Exponent"),
    ("rsa-mismatched.pem", "Mismatch"),
    ("rsa-near-d.pem", "Mismatch"),
    ("rsa-other-d.pem", "Mismatch"),
    ("rsa-other-dp.pem", "Mismatch"),
    ("rsa-other-dq.pem", "Mismatch"),
    ("rsa-other-e.pem", "Mismatch"),
    ("rsa-other-n.pem", "Mismatch"),
    ("rsa-other-p.pem", "Mismatch"),
    ("rsa-other-q.pem", "Mismatch"),
    ("rsa-other-qi.pem", "Mismatch"),
    ("rsa-p0.pem", "Mismatch"),
    ("rsa-p1.pem", "Mismatch"),
    ("rsa-pss.pem", "Algorithm"),
    ("rsa-same-primes.pem", "SamePrimes"),
    ("rsa-three-primes.pem", "MultiPrime"),
    ("same-key-twice.pem", "Several"),
    ("text.pem", "NoKey"),
    ("trailing-inside.pem", "Damaged"),
    ("trailing.der", "Damaged"),
    ("trailing.pem", "Trailing"),
    ("two-keys.pem", "Several"),
    ("unknown-label.pem", "NoKey"),
    ("utf16.pem", "NotText"),
    ("wrong-label.pem", "Damaged"),
    ("x25519.pem", "Algorithm"),
];

/// Those that may verify though they may not sign.
const VERIFIES: [&str; 1] = ["rsa-2056.pem"];

#[test]
fn case_68_every_bad_file_is_refused_for_its_own_reason() {
    let files = folder("refused");
    let listed: Vec<_> = REFUSED.iter().map(|(file, _)| *file).collect();
    let found: Vec<_> = files.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(found, listed, "every fixture is in the table");
    for ((file, bytes), (_, reason)) in files.iter().zip(REFUSED) {
        let error = ImportedKey::parse(bytes).expect_err(file);
        let shown = format!("{error:?}");
        let variant = shown.split(|letter: char| !letter.is_alphanumeric()).next();
        assert_eq!(variant, Some(reason), "{file}: {error}");
        assert_eq!(error.class(), ErrorClass::Invalid);
        shows_nothing_of(bytes, &error);
    }
}

#[test]
fn case_68_nor_does_a_bad_file_verify() {
    for (file, bytes) in folder("refused") {
        let taken = ImportedPublicKey::parse(&bytes);
        assert_eq!(taken.is_ok(), VERIFIES.contains(&file.as_str()), "{file}: {taken:?}");
        let Err(error) = taken else { continue };
        shows_nothing_of(&bytes, &error);
        let reason = match file.as_str() {
            "ec-p384.pub.pem" | "ec-p521.pub.pem" | "ec-secp256k1.pub.pem" => "Curve",
            "rsa-1024.pub.pem" => "RsaSize",
            "rsa-e3.pub.pem" => "Exponent",
            "ed25519-small-order.pub.pem" => "Key",
            _ => continue,
        };
        assert!(format!("{error:?}").starts_with(reason), "{file}: {error:?}");
    }
}

/// No eight characters of the file's base64 stand in the error or its causes.
fn shows_nothing_of(file: &[u8], error: &ImportError) {
    let cause = error.source().map(ToString::to_string);
    let words = format!("{error} {error:?} {cause:?}");
    let text = String::from_utf8_lossy(file);
    let base64 = text
        .lines()
        .filter(|line| line.is_ascii() && line.len() >= 40 && !line.contains(['-', ':', ' ']));
    for line in base64 {
        for piece in line.as_bytes().windows(8) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!words.contains(piece), "{words}");
        }
    }
}
