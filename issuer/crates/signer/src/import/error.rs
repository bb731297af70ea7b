//! Why a file is not taken as a key.

use moneyer_identity::{ErrorClass, KeyError};

/// Why a file is not taken as a key. No text holds anything of the key but its size.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing, or white space.
    #[error("the file is empty; name the file that holds the key")]
    Empty,
    /// Larger than any key.
    #[error("the file is larger than 64 KiB; it is probably the wrong file")]
    TooLarge,
    /// Neither PEM nor DER.
    #[error("the file is neither PEM nor DER; save it as plain ASCII text if it was edited")]
    NotText,
    /// Text without a PEM block.
    #[error("the file holds no line -----BEGIN ... KEY-----; name the file that holds the key")]
    NoKey,
    /// The text or the structure is broken.
    #[error("the key file is damaged: {0}; take it from a backup, or export the key again")]
    Damaged(&'static str),
    /// Something follows the key.
    #[error("something follows the key in the file; keep the key alone")]
    Trailing,
    /// More than one key.
    #[error("the file holds several keys; give each a file of its own")]
    Several,
    /// Sealed with a passphrase.
    #[error(
        "the key is encrypted; write it without a passphrase with `openssl pkey -in FILE -out NEW`, \
         or `ssh-keygen -p -N '' -f FILE` for an OpenSSH key, and delete that copy after the import"
    )]
    Encrypted,
    /// A certificate or a request for one.
    #[error("the file holds a certificate; keep only the key: `openssl pkey -in FILE -out NEW`")]
    Certificate,
    /// A public key where a private one is needed.
    #[error(
        "the file holds a public key only; name the private key, or import it for verifying only"
    )]
    PublicOnly,
    /// An OpenSSH key of another kind than Ed25519.
    #[error(
        "only Ed25519 keys are read in OpenSSH's format; write a copy of this one as PEM with \
         `ssh-keygen -p -m PEM -N '' -f COPY`"
    )]
    OpenSshKind,
    /// Another curve than P-256.
    #[error(
        "the key is not on P-256, named by its OID; other curves sign no ES256: make a new key"
    )]
    Curve,
    /// Neither RSA nor EC nor Ed25519.
    #[error(
        "the key is neither RSA, P-256 nor Ed25519, and signs no algorithm of ours: make a new key"
    )]
    Algorithm,
    /// An RSA modulus of a size that is not taken.
    #[error(
        "the RSA key has {bits} bits; a signing key has 2048, 3072 or 4096, a verifying key from 2048 \
         to 4096: make a new key"
    )]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// A public exponent that is even, too small or too large.
    #[error("the RSA key's public exponent is not odd from 65537 to 2^32: make a new key")]
    Exponent,
    /// A modulus that two divides.
    #[error("the RSA key's modulus is even, so it protects nothing: make a new key")]
    EvenModulus,
    /// Both primes are the same.
    #[error("the RSA key's primes are equal, so anyone can compute it: make a new key")]
    SamePrimes,
    /// More than two primes.
    #[error("the RSA key has more than two primes, which few libraries sign with: make a new key")]
    MultiPrime,
    /// Private and public half, or the parts of the private one, do not belong together.
    #[error(
        "the parts of the key contradict each other: it is damaged, or two keys were mixed; take it \
         from a backup"
    )]
    Mismatch,
    /// A crypto library refuses the key.
    #[error("the key is not a valid one; take it from a backup, or make a new key")]
    Key(#[source] KeyError),
}

impl ImportError {
    /// The kind of failure: always the file's.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}
