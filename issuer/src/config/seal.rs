//! `[seal]`: the key that records with secrets are sealed under.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the key-encryption key comes from: exactly one of `key_file`, `credential` and `age_file`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SealSection {
    /// A file of 32 random bytes, raw, as 64 hexadecimal digits or in base64, that only its owner may
    /// read: root or the daemon's user. It may not lie in the store's directory.
    /// Default: `/etc/moneyer/seal.key`, unless `credential` or `age_file` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Name of a systemd credential (`LoadCredentialEncrypted=`) with the same contents. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The same contents encrypted with age (age-encryption.org), to an identity and not with a passphrase.
    /// Others may read it, and nobody but root and the daemon's user may write to it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_file: Option<PathBuf>,
    /// The identity that opens `age_file` and `older_age_files`: a file with an `AGE-SECRET-KEY-1…` line as
    /// `age-keygen` writes it, kept as `key_file` is. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_identity_file: Option<PathBuf>,
    /// Files with earlier keys, which open records and seal none. Default: none.
    pub older_key_files: Vec<PathBuf>,
    /// Earlier keys encrypted with age, which open records and seal none. Default: none.
    pub older_age_files: Vec<PathBuf>,
    /// The age recipient (`age1…`) of the recovery copy: every seal key the coordinator has, encrypted, in
    /// `RECOVERY.age` of the store's directory and in every backup. Keep its identity offline: with it and
    /// the disk anybody has the private keys. Default: none, and a lost seal key is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_recipient: Option<AgeRecipient>,
    /// Keep records with private keys as they are, for tests that look for them on disk. Whoever reads
    /// the disk or a backup then has the keys. Default: `false`.
    pub insecure_plain: bool,
}

/// An X25519 recipient of age.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AgeRecipient(age::x25519::Recipient);

impl AgeRecipient {
    pub(crate) fn as_recipient(&self) -> &age::x25519::Recipient {
        &self.0
    }
}

/// Why a text is not a recipient. The text is not repeated: it may be an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgeRecipientError {
    /// It is the secret half.
    #[error(
        "is an identity, which is secret and may not stand here; name its recipient (age1…), which \
         `age-keygen -y FILE` prints, and make a new identity if this file was ever copied"
    )]
    Identity,
    /// It is something else.
    #[error("must be an X25519 recipient of age (age1…), as `age-keygen` prints it")]
    Other,
}

impl TryFrom<String> for AgeRecipient {
    type Error = AgeRecipientError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.get(..15).is_some_and(|begin| begin.eq_ignore_ascii_case("AGE-SECRET-KEY-")) {
            return Err(AgeRecipientError::Identity);
        }
        age::x25519::Recipient::from_str(&text).map(Self).or(Err(AgeRecipientError::Other))
    }
}

impl From<AgeRecipient> for String {
    fn from(recipient: AgeRecipient) -> Self {
        recipient.0.to_string()
    }
}

impl fmt::Debug for AgeRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeRecipient({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_taken_and_an_identity_is_not_repeated() {
        let identity = age::x25519::Identity::generate();
        let text = identity.to_public().to_string();
        let recipient = AgeRecipient::try_from(text.clone()).unwrap();
        assert_eq!(String::from(recipient), text);
        let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        for secret in [secret.to_lowercase(), secret] {
            let refused = AgeRecipient::try_from(secret).unwrap_err();
            assert_eq!(refused, AgeRecipientError::Identity);
        }
        for other in ["", "age1", "age1yubikey1q", &text.replace('1', ""), &format!("{text} ")] {
            assert_eq!(AgeRecipient::try_from(other.to_owned()), Err(AgeRecipientError::Other));
        }
    }
}
