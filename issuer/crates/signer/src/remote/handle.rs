//! Handles of keys that are kept elsewhere: where, which one, and of which public half.
//!
//! `moneyer:BACKEND:LOCATOR:THUMBPRINT:CHECK`. The check tells a record that was damaged from one that was
//! written, so that a key opens while its keeper is away; it is no secret and proves nothing against whoever
//! forges records, which are sealed. What a forged handle could do at most is ask for a signature that does
//! not verify.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use moneyer_authority::signer::{KeyHandle, SignerError};
use moneyer_identity::VerifyingKey;

/// What every handle of this kind begins with. A PKCS#8 key begins with a SEQUENCE, 0x30.
const SCHEME: &str = "moneyer";

/// Bytes of the check: damage goes unseen once in 2^64.
const CHECK_BYTES: usize = 8;

/// A handle, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteHandle {
    /// Where the key is, in the words of its backend.
    pub(crate) locator: String,
    thumbprint: String,
}

impl RemoteHandle {
    pub(crate) fn new(locator: String, key: &VerifyingKey) -> Self {
        Self { locator, thumbprint: key.thumbprint().as_str().to_owned() }
    }

    /// As it is stored.
    pub(crate) fn to_handle(&self, backend: &str) -> KeyHandle {
        let text = format!("{SCHEME}:{backend}:{}:{}", self.locator, self.thumbprint);
        let check = check_of(&text);
        KeyHandle::new(format!("{text}:{check}").into_bytes())
    }

    /// Reads a handle of this backend, and proves that it is of this public half.
    pub(crate) fn open(
        backend: &str,
        key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Self, SignerError> {
        let damaged = || SignerError::Open("the handle of the key is damaged".into());
        let text = std::str::from_utf8(handle.expose()).map_err(|_not_text| damaged())?;
        let (checked, check) = text.rsplit_once(':').ok_or_else(damaged)?;
        if check != check_of(checked) {
            return Err(damaged());
        }
        let parts: Vec<&str> = checked.split(':').collect();
        let [SCHEME, found, locator, thumbprint] = parts.as_slice() else {
            return Err(damaged());
        };
        if *found != backend {
            return Err(SignerError::Open(format!("the key is kept by {found}").into()));
        }
        if *thumbprint != key.thumbprint().as_str() {
            return Err(SignerError::Mismatch);
        }
        Ok(Self { locator: (*locator).to_owned(), thumbprint: (*thumbprint).to_owned() })
    }
}

/// Which backend a handle is of; `None`: the key itself is in it.
pub(crate) fn kept_by(handle: &KeyHandle) -> Option<&str> {
    let text = std::str::from_utf8(handle.expose()).ok()?;
    let (backend, _) = text.strip_prefix(SCHEME)?.strip_prefix(':')?.split_once(':')?;
    Some(backend)
}

fn check_of(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(CHECK_BYTES).fold(String::new(), |mut check, byte| {
        // Writing to a String cannot fail.
        write!(check, "{byte:02x}").ok();
        check
    })
}

#[cfg(test)]
mod tests {
    use moneyer_testkit::FixtureKey;

    use super::*;

    #[test]
    fn a_handle_opens_for_its_own_key_and_with_its_own_backend() {
        let (key, other) = (FixtureKey::P256_A.verifying_key(), FixtureKey::P256_B.verifying_key());
        let written = RemoteHandle::new("moneyer-ecdsa-p256@7".to_owned(), &key);
        let handle = written.to_handle("vault");
        assert_eq!(kept_by(&handle), Some("vault"));
        assert_eq!(kept_by(&FixtureKey::P256_A.handle()), None);
        assert_eq!(RemoteHandle::open("vault", &key, &handle).unwrap(), written);
        let mismatched = RemoteHandle::open("vault", &other, &handle);
        assert!(matches!(mismatched, Err(SignerError::Mismatch)));
        let elsewhere = RemoteHandle::open("pkcs11", &key, &handle);
        assert!(matches!(elsewhere, Err(SignerError::Open(_))));
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let key = FixtureKey::P256_A.verifying_key();
        let handle = RemoteHandle::new("moneyer-ecdsa-p256@7".to_owned(), &key).to_handle("vault");
        for at in 0..handle.expose().len() * 8 {
            let mut bytes = handle.expose().to_vec();
            bytes[at / 8] ^= 1 << (at % 8);
            let opened = RemoteHandle::open("vault", &key, &KeyHandle::new(bytes));
            assert!(opened.is_err(), "bit {at}");
        }
    }
}
