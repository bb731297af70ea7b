//! What a sandbox proves itself with on TCP.
//!
//! 32 random bytes in hex, made at attach and gone at detach. Compared in constant time, so that
//! the answer's timing tells nothing of a nearly right guess; wiped when dropped; shown only by
//! [`SandboxSecret::expose`].

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Random bytes in a secret: beyond guessing, and the length that is already in use.
const SECRET_BYTES: usize = 32;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The operating system gave no random bytes.
    #[error("no random bytes could be had from the operating system")]
    Random(#[source] getrandom::Error),
    /// Not 64 lower-case hex digits.
    #[error("a secret is 64 lower-case hex digits")]
    Form,
}

/// A sandbox's secret.
#[derive(Clone, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SandboxSecret(Zeroizing<String>);

impl SandboxSecret {
    /// A new one.
    pub(crate) fn random() -> Result<Self, SecretError> {
        use fmt::Write as _;
        let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(SecretError::Random)?;
        // Reserved once: a string that grows leaves unwiped copies behind.
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES * 2));
        for byte in bytes.iter() {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
        }
        Ok(Self(text))
    }

    /// The text, for its sandbox's environment. Never for a log.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this secret, without telling by time where it differs.
    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl TryFrom<String> for SandboxSecret {
    type Error = SecretError;
    fn try_from(text: String) -> Result<Self, SecretError> {
        let text = Zeroizing::new(text);
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == SECRET_BYTES * 2 && text.bytes().all(hex) {
            Ok(Self(text))
        } else {
            Err(SecretError::Form)
        }
    }
}

impl fmt::Debug for SandboxSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_itself_only() {
        let secret = SandboxSecret::random().unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert!(secret.is(secret.expose().as_bytes()));
        assert!(!secret.is(SandboxSecret::random().unwrap().expose().as_bytes()));
        assert!(
            !secret.is(secret.expose().to_uppercase().as_bytes())
                || !secret.expose().contains(|c: char| c.is_alphabetic())
        );
        assert!(!secret.is(&secret.expose().as_bytes()[..63]));
        assert!(!secret.is(b""));
        let again = SandboxSecret::try_from(secret.expose().to_owned()).unwrap();
        assert!(again.is(secret.expose().as_bytes()));
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = SandboxSecret::random().unwrap();
        assert_eq!(format!("{secret:?}"), "SandboxSecret(redacted)");
    }

    #[test]
    fn refuses_other_forms() {
        for bad in ["", "abc", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            SandboxSecret::try_from(bad.to_owned()).unwrap_err();
        }
    }
}
