//! Ed25519 keys as OpenSSH writes them (PROTOCOL.key of OpenSSH): unencrypted, one in a file.
//!
//! The public half stands there three times; each has to be that of the private half.

use crate::import::ed25519;
use crate::import::error::ImportError;
use crate::import::key::Claimed;

const MAGIC: &[u8] = b"openssh-key-v1\0";
const KIND: &[u8] = b"ssh-ed25519";
const BROKEN: ImportError = ImportError::Damaged("its OpenSSH structure is broken");

/// A whole file's bytes, without the PEM around them.
pub(super) fn private(bytes: &[u8]) -> Result<Claimed, ImportError> {
    let mut outer = Fields(bytes.strip_prefix(MAGIC).ok_or(BROKEN)?);
    let (cipher, derivation, options) = (outer.string()?, outer.string()?, outer.string()?);
    if cipher != b"none" {
        return Err(ImportError::Encrypted);
    }
    if derivation != b"none" || !options.is_empty() {
        return Err(BROKEN);
    }
    if outer.number()? != 1 {
        return Err(ImportError::Several);
    }
    let mut public = Fields(outer.string()?);
    let mut inner = Fields(outer.string()?);
    outer.end()?;
    if public.string()? != KIND {
        return Err(ImportError::OpenSshKind);
    }
    let outside = public.string()?;
    public.end()?;
    // Two equal random numbers tell a wrong passphrase from a right one.
    if inner.number()? != inner.number()? || inner.string()? != KIND {
        return Err(BROKEN);
    }
    let (inside, pair) = (inner.string()?, inner.string()?);
    let _comment = inner.string()?;
    // Padding to the cipher's block: 1, 2, 3, and so on.
    if inner.0.len() > 8 || !inner.0.iter().copied().eq((1..=8).take(inner.0.len())) {
        return Err(BROKEN);
    }
    let (seed, appended) = pair.split_first_chunk::<32>().ok_or(BROKEN)?;
    if inside != outside || appended != outside {
        return Err(ImportError::Mismatch);
    }
    ed25519::pair(seed, Some(outside))
}

/// What is left of a sequence of fields (RFC 4251 section 5).
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Result<u32, ImportError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(BROKEN)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Result<&'a [u8], ImportError> {
        let length = usize::try_from(self.number()?).map_err(|_range| BROKEN)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(string)
    }

    fn end(&self) -> Result<(), ImportError> {
        if self.0.is_empty() { Ok(()) } else { Err(BROKEN) }
    }
}
