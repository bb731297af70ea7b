//! To whom the recovery copy is encrypted: an age recipient, whose identity is kept offline.

use age::x25519::Recipient;
use moneyer_authority::store::Cause;
use moneyer_store::seal::RecoveryRecipient;

use crate::config::AgeRecipient;

/// Encrypts with age, armored: the copy is text, and can be printed.
#[derive(Debug)]
pub(crate) struct Recovery(Recipient);

impl Recovery {
    /// To this recipient.
    pub(crate) fn to(recipient: &AgeRecipient) -> Self {
        Self(recipient.as_recipient().clone())
    }
}

impl RecoveryRecipient for Recovery {
    fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Cause> {
        Ok(age::encrypt_and_armor(&self.0, plain)?.into_bytes())
    }
}
