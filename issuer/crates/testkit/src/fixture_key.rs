//! Keys made beforehand, so that no test generates RSA.
//!
//! They come from `fixtures/`, where the script that made them stands too. OpenSSL reads the public
//! halves, as neither the local signer nor the code under test does.

#![expect(clippy::missing_panics_doc, reason = "a fixture that cannot be read fails the test")]
#![expect(clippy::expect_used, reason = "a fixture that cannot be read fails the test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_authority::signer::{KeyHandle, KeyKind};
use moneyer_identity::VerifyingKey;
use openssl::bn::{BigNum, BigNumContext};
use openssl::pkey::{Id, PKey};

/// A key pair of the fixtures. Its private half is public knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixtureKey {
    /// Name of its files.
    pub name: &'static str,
    /// What a signer would call it, if it can make such keys.
    pub kind: Option<KeyKind>,
    private: &'static [u8],
    public: &'static [u8],
}

macro_rules! fixtures {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $kind:expr;)*) => {
        impl FixtureKey {
            $(
                $(#[$doc])*
                pub const $constant: Self = Self {
                    name: $name,
                    kind: $kind,
                    private: include_bytes!(concat!("../fixtures/", $name, ".pem")),
                    public: include_bytes!(concat!("../fixtures/", $name, ".pub.pem")),
                };
            )*
        }
    };
}

fixtures! {
    /// RSA, 2048 bits.
    RSA_2048_A = "rsa-2048-a", Some(KeyKind::Rsa2048);
    /// RSA, 2048 bits.
    RSA_2048_B = "rsa-2048-b", Some(KeyKind::Rsa2048);
    /// RSA, 2048 bits.
    RSA_2048_C = "rsa-2048-c", Some(KeyKind::Rsa2048);
    /// RSA, 3072 bits.
    RSA_3072 = "rsa-3072", Some(KeyKind::Rsa3072);
    /// RSA, 4096 bits.
    RSA_4096 = "rsa-4096", Some(KeyKind::Rsa4096);
    /// RSA, 1024 bits: refused wherever a key is taken.
    RSA_1024 = "rsa-1024", None;
    /// P-256.
    P256_A = "ec-p256-a", Some(KeyKind::P256);
    /// P-256.
    P256_B = "ec-p256-b", Some(KeyKind::P256);
    /// P-384: refused wherever a key is taken.
    P384 = "ec-p384", None;
    /// Ed25519: adopted, never made.
    ED25519_A = "ed25519-a", None;
    /// Ed25519.
    ED25519_B = "ed25519-b", None;
}

impl FixtureKey {
    /// Those a signer can make, in the order [`FixtureSigner`](crate::signer::FixtureSigner) gives
    /// them out.
    pub const MADE: [Self; 7] = [
        Self::RSA_2048_A,
        Self::RSA_2048_B,
        Self::RSA_2048_C,
        Self::RSA_3072,
        Self::RSA_4096,
        Self::P256_A,
        Self::P256_B,
    ];

    /// Those that a signer opens though it makes none of their kind.
    pub const ADOPTED: [Self; 2] = [Self::ED25519_A, Self::ED25519_B];

    /// The private half, PKCS#8, PEM.
    #[must_use]
    pub fn pem(&self) -> &'static str {
        std::str::from_utf8(self.private).expect("PEM is text")
    }

    /// The private half, PKCS#8, DER.
    #[must_use]
    pub fn pkcs8(&self) -> Vec<u8> {
        der(self.pem())
    }

    /// The modulus of [`FixtureKey::RSA_2048_B`] over the exponents and primes of
    /// [`FixtureKey::RSA_2048_A`].
    #[must_use]
    pub fn mismatched_rsa() -> KeyHandle {
        KeyHandle::new(der(include_str!("../fixtures/rsa-2048-a.mismatched.pem")))
    }

    /// The private half as the local signer keeps it.
    #[must_use]
    pub fn handle(&self) -> KeyHandle {
        KeyHandle::new(self.pkcs8())
    }

    /// The public half, ready to verify.
    ///
    /// # Panics
    ///
    /// For [`FixtureKey::P384`] and [`FixtureKey::RSA_1024`], which are no keys of ours.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let key = PKey::public_key_from_pem(self.public).expect("the fixture is a public key");
        let verifying_key = match key.id() {
            Id::RSA => {
                let rsa = key.rsa().expect("an RSA key");
                VerifyingKey::rsa(&rsa.n().to_vec(), &rsa.e().to_vec())
            }
            Id::ED25519 => VerifyingKey::ed25519(&key.raw_public_key().expect("an Ed25519 key")),
            _ => {
                let curve = key.ec_key().expect("an EC key");
                let mut scratch = BigNumContext::new().expect("memory");
                let (mut x, mut y) =
                    (BigNum::new().expect("memory"), BigNum::new().expect("memory"));
                curve
                    .public_key()
                    .affine_coordinates(curve.group(), &mut x, &mut y, &mut scratch)
                    .expect("a point");
                let bytes = |number: BigNum| number.to_vec_padded(32).unwrap_or_default();
                VerifyingKey::p256(&bytes(x), &bytes(y))
            }
        };
        verifying_key.expect("the fixture is a key of ours")
    }
}

fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).expect("PEM holds base64")
}
