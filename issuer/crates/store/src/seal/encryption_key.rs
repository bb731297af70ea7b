//! The key that other keys are sealed under.
//!
//! Its 32 bytes are used for one thing only: as input of HKDF-SHA256 (RFC 5869). Every use has its own
//! `info`, so a value derived for one purpose says nothing about another. Wiped when dropped, never
//! copied, never shown: what is shown is its id, which cannot be turned back.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::hkdf;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a KEK, and of every key made from one.
pub(super) const KEY_BYTES: usize = 32;

/// Hexadecimal digits of a KEK.
pub(super) const HEX_DIGITS: usize = KEY_BYTES * 2;

/// Bytes of a KEK's id.
pub(super) const ID_BYTES: usize = 16;

/// `info` of the id.
const ID_LABEL: &[u8] = b"moneyer kek id v1";

/// What stands before the label of a derived key.
const DERIVE_LABEL: &[u8] = b"moneyer derived key v1: ";

/// Which KEK, without saying anything about it. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekId([u8; ID_BYTES]);

impl KekId {
    pub(super) fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KekId({self})")
    }
}

/// The bytes are all zero: an empty or unwritten file, never a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key-encryption key is all zero; make a real one")]
pub struct ZeroKey;

/// A key-encryption key.
pub struct KeyEncryptionKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: KekId,
}

impl KeyEncryptionKey {
    /// A KEK of these bytes, which ought to be random. Refused: zeros.
    pub fn from_bytes(mut bytes: [u8; KEY_BYTES]) -> Result<Self, ZeroKey> {
        let kept = Zeroizing::new(bytes);
        bytes.zeroize();
        if kept.iter().all(|byte| *byte == 0) {
            return Err(ZeroKey);
        }
        let mut id = [0; ID_BYTES];
        let derived = expand(&kept, &[], &[ID_LABEL]);
        id.iter_mut().zip(derived.iter()).for_each(|(to, from)| *to = *from);
        Ok(Self { bytes: kept, id: KekId(id) })
    }

    /// The bytes of a KEK that is written as 64 hexadecimal digits; `None` if it is written otherwise.
    #[must_use]
    pub fn bytes_of_hex(digits: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        // `from_str_radix` takes a sign.
        if digits.len() != HEX_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(bytes)
    }

    /// Its bytes as a line of 64 hexadecimal digits, for its own file and for a recovery copy that is
    /// encrypted to somebody else.
    #[must_use]
    pub fn hex_line(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows leaves copies of the key behind.
        let mut line = Zeroizing::new(String::with_capacity(HEX_DIGITS + 1));
        for byte in self.bytes.iter() {
            // Writing to a String cannot fail.
            write!(*line, "{byte:02x}").ok();
        }
        line.push('\n');
        line
    }

    /// Which KEK this is.
    #[must_use]
    pub fn id(&self) -> KekId {
        self.id
    }

    /// A key for another purpose than sealing, the same for the same label at any time.
    #[must_use]
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        expand(&self.bytes, &[], &[DERIVE_LABEL, label.as_bytes()])
    }

    /// The key of one seal.
    pub(super) fn seal_key(&self, salt: &[u8], label: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        expand(&self.bytes, salt, &[label])
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEncryptionKey({}, ..)", self.id)
    }
}

#[expect(clippy::expect_used, reason = "HKDF-SHA256 refuses only more than 8160 bytes")]
fn expand(key: &[u8; KEY_BYTES], salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut *out))
        .expect("32 bytes can be derived");
    out
}
