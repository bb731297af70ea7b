//! What opens a store whose seal key is lost: its key-encryption keys, encrypted to somebody else.
//!
//! ```text
//! # moneyer recovery copy v1
//! # cluster id.example.com
//! the 64 hexadecimal digits of the key that seals
//! the 64 hexadecimal digits of each older key, a line each
//! ```
//!
//! Lines of text, so that the recipient's own tool is enough to make a key file of it. Nothing here says
//! that the copy is true: that is shown by the store, which no other key opens. How it is encrypted is
//! the recipient's matter.

use std::fmt;
use std::fmt::Write as _;

use moneyer_authority::store::Cause;
use zeroize::Zeroizing;

use super::encryption_key::{HEX_DIGITS, KeyEncryptionKey};
use super::seals::Seals;

/// Most bytes of an encrypted copy: some 700 keys.
pub const MAXIMUM_RECOVERY_BYTES: usize = 64 * 1024;

/// The first line.
const LABEL: &str = "# moneyer recovery copy v1";

/// What stands before the cluster's name.
const CLUSTER: &str = "# cluster ";

/// Whoever keeps the means to open a recovery copy, away from here.
pub trait RecoveryRecipient: Send + Sync + fmt::Debug {
    /// Encrypts to the recipient.
    fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Cause>;
}

/// Why bytes are not a recovery copy.
#[derive(Debug, thiserror::Error)]
#[error("it is encrypted to this identity, but is not a recovery copy: {0}")]
pub struct RecoveryCopyError(&'static str);

/// A recovery copy that was decrypted.
#[derive(Debug)]
pub struct RecoveryCopy {
    /// The name to which the store's seals are bound.
    pub cluster: String,
    /// The keys, as the coordinator had them.
    pub seals: Seals,
}

impl RecoveryCopy {
    /// Reads what was decrypted.
    pub fn decode(plain: &[u8]) -> Result<Self, RecoveryCopyError> {
        let text = std::str::from_utf8(plain).or(Err(RecoveryCopyError("it is not text")))?;
        let mut lines = text.lines();
        if lines.next() != Some(LABEL) {
            return Err(RecoveryCopyError("its first line is another"));
        }
        let cluster = lines.next().and_then(|line| line.strip_prefix(CLUSTER));
        let cluster = cluster.ok_or(RecoveryCopyError("it names no cluster"))?.to_owned();
        let mut keys = Vec::new();
        for line in lines {
            keys.push(key_of(line).ok_or(RecoveryCopyError("a line of it is not a key"))?);
        }
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or(RecoveryCopyError("it holds no key"))?;
        let seals = Seals::new(current, keys.collect());
        Ok(Self { cluster, seals: seals.or(Err(RecoveryCopyError("it holds a key twice")))? })
    }

    /// What is to be encrypted.
    pub(crate) fn encode(cluster: &str, seals: &Seals) -> Zeroizing<String> {
        let lines = seals.keys().count().saturating_mul(HEX_DIGITS + 1);
        let length = LABEL.len().saturating_add(CLUSTER.len()).saturating_add(cluster.len());
        // Room for all of it: a text that grows leaves copies of the keys behind.
        let room = length.saturating_add(lines).saturating_add(2);
        let mut text = Zeroizing::new(String::with_capacity(room));
        // Writing to a String cannot fail.
        writeln!(*text, "{LABEL}\n{CLUSTER}{cluster}").ok();
        for key in seals.keys() {
            text.push_str(&key.hex_line());
        }
        text
    }
}

fn key_of(line: &str) -> Option<KeyEncryptionKey> {
    let bytes = KeyEncryptionKey::bytes_of_hex(line.as_bytes())?;
    KeyEncryptionKey::from_bytes(*bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::from_bytes([byte; 32]).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_fills_its_room() {
        for older in [vec![], vec![key(2)], vec![key(2), key(3)]] {
            let seals = Seals::new(key(1), older).unwrap();
            let text = RecoveryCopy::encode("id.example.com", &seals);
            assert_eq!(text.len(), text.capacity());
            let copy = RecoveryCopy::decode(text.as_bytes()).unwrap();
            assert_eq!(copy.cluster, "id.example.com");
            let ids = |seals: &Seals| seals.keys().map(KeyEncryptionKey::id).collect::<Vec<_>>();
            assert_eq!(ids(&copy.seals), ids(&seals));
        }
        let seals = Seals::new(key(0xa1), Vec::new()).unwrap();
        let lines = format!("{LABEL}\n# cluster c\n{}\n", "a1".repeat(32));
        assert_eq!(*RecoveryCopy::encode("c", &seals), lines);
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let (head, one) = (format!("{LABEL}\n{CLUSTER}c\n"), "01".repeat(32));
        let odd = [
            String::new(),
            one.clone(),
            format!("# moneyer recovery copy v2\n{CLUSTER}c\n{one}\n"),
            format!("{LABEL}\n{one}\n"),
            head.clone(),
            format!("{head}\n{one}\n"),
            format!("{head}{}\n", one.replacen('0', "+", 1)),
            format!("{head}{one}0\n"),
            format!("{head}{}\n", "0".repeat(64)),
            format!("{head}{one}\n{one}\n"),
            format!("{head}{one}\nmore\n"),
        ];
        for text in odd {
            assert!(RecoveryCopy::decode(text.as_bytes()).is_err(), "{text}");
        }
        assert!(RecoveryCopy::decode(b"\xff").is_err());
        RecoveryCopy::decode(format!("{head}{one}\n").as_bytes()).unwrap();
    }
}
