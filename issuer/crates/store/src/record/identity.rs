//! What makes a store this one and no other: its incarnation, and the key of its checksums.
//!
//! ```text
//! magic | 16 incarnation | 1 length | cluster | 1 sealed | key of 32 bytes, sealed or plain | CRC-32
//! ```
//!
//! The cluster's name, to which every seal is bound, is the one it had when the store was made.
//! Written once, when the store is made, restored, or goes on after an accepted loss: an incarnation is
//! never continued with less than it had. The key authenticates the head and the catalogue. Where
//! records are sealed it is sealed too, so that whoever writes to the disk cannot make a store that
//! looks whole.

use std::fmt;
use std::io;
use std::sync::Arc;

use aws_lc_rs::hmac;
use moneyer_authority::store::{Generation, Receipt, Testimony};
use zeroize::Zeroizing;

use crate::seal::{Place, RecoveryRecipient, SealError, Seals};

/// First bytes of the file, the last of which is the format of the whole directory: whatever changes there,
/// this is where an older version looks.
const MAGIC: &[u8; 8] = b"MNYSTOR1";

/// Bytes of the key of the checksums.
const KEY_BYTES: usize = 32;

/// Under which name its key is sealed.
const RECORD: &str = "store/identity";

/// Tells one life of a store from another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Incarnation(pub(crate) [u8; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({self})")
    }
}

/// How records that hold secrets are kept.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// Part of what a seal is bound to. A store keeps the name it was made with.
    pub cluster: String,
    /// The key-encryption keys.
    pub seals: Arc<Seals>,
    /// To whom the recovery copy of those keys is encrypted; `None`: there is none.
    pub recovery: Option<Arc<dyn RecoveryRecipient>>,
}

/// Why the file is not an identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// Not written by us, cut off, or changed.
    #[error("it is damaged")]
    Damaged,
    /// The key in it is sealed and does not open.
    #[error("its key does not open")]
    Seal(#[source] SealError),
    /// It is sealed and the store is opened without a key, or the reverse.
    #[error("the store was made {made}; it is opened {opened}")]
    Mode {
        /// How it was made.
        made: &'static str,
        /// How it is opened.
        opened: &'static str,
    },
    /// There is no randomness.
    #[error("there is no randomness")]
    Random(#[source] aws_lc_rs::error::Unspecified),
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(io::Error),
}

/// The format of a store that a newer version has written, where it is one.
pub(crate) fn newer_format(bytes: &[u8]) -> Option<char> {
    let [family @ .., own] = MAGIC;
    let found = bytes.strip_prefix(family).and_then(|rest| rest.first());
    let newer = found.filter(|found| found.is_ascii_alphanumeric() && *found > own);
    newer.map(|format| char::from(*format))
}

/// An incarnation and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) incarnation: Incarnation,
    pub(crate) cluster: String,
    key: Zeroizing<[u8; KEY_BYTES]>,
    mac: hmac::Key,
}

impl Identity {
    /// A new incarnation with a key of its own.
    pub(crate) fn random(cluster: &str) -> Result<Self, IdentityError> {
        let (mut incarnation, mut key) = ([0; 16], Zeroizing::new([0; KEY_BYTES]));
        aws_lc_rs::rand::fill(&mut incarnation).map_err(IdentityError::Random)?;
        aws_lc_rs::rand::fill(&mut *key).map_err(IdentityError::Random)?;
        Ok(Self::of(Incarnation(incarnation), cluster.to_owned(), key))
    }

    fn of(incarnation: Incarnation, cluster: String, key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        Self { incarnation, cluster, key, mac }
    }

    /// How this store's records are sealed: with these keys, bound to its own name.
    pub(crate) fn sealing(&self, given: Option<&Sealing>) -> Option<Sealing> {
        given.map(|given| Sealing { cluster: self.cluster.clone(), ..given.clone() })
    }

    /// Authenticates bytes.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.mac);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Whether a tag is that of these bytes.
    pub(crate) fn is_tag(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        // In constant time: whoever writes to the disk must not learn a tag by trying.
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(parts), tag).is_ok()
    }

    /// Proof that the store had come to a generation.
    pub(crate) fn receipt(&self, generation: Generation) -> Receipt {
        let tag = self.tag(&[b"receipt", &generation.0.to_be_bytes()]);
        Receipt { incarnation: self.incarnation.0.to_vec(), generation, tag: tag.to_vec() }
    }

    /// What a receipt says of a store that has come to `reached`.
    pub(crate) fn hear(&self, receipt: &Receipt, reached: Generation) -> Testimony {
        if receipt.incarnation != self.incarnation.0 {
            return Testimony::OtherLife;
        }
        let claimed = receipt.generation;
        if !self.is_tag(&[b"receipt", &claimed.0.to_be_bytes()], &receipt.tag) {
            return Testimony::Forged;
        }
        if claimed > reached { Testimony::RolledBack(claimed) } else { Testimony::Known }
    }

    /// The bytes of the file.
    pub(crate) fn encode(&self, sealing: Option<&Sealing>) -> Result<Vec<u8>, IdentityError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.incarnation.0);
        // A trust domain has at most 255 bytes.
        bytes.push(u8::try_from(self.cluster.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.cluster.as_bytes());
        if let Some(sealing) = sealing {
            let place = place(&self.cluster, self.incarnation);
            let sealed = sealing.seals.seal(&place, &*self.key).map_err(IdentityError::Seal)?;
            bytes.push(1);
            bytes.extend_from_slice(&sealed);
        } else {
            bytes.push(0);
            bytes.extend_from_slice(&*self.key);
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        Ok(bytes)
    }

    /// Reads the bytes of the file.
    pub(crate) fn decode(bytes: &[u8], sealing: Option<&Sealing>) -> Result<Self, IdentityError> {
        let damaged = || IdentityError::Damaged;
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32fast::hash(body) != u32::from_be_bytes(*checksum) {
            return Err(IdentityError::Damaged);
        }
        let (magic, rest) = body.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (incarnation, rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (&[length], rest) = rest.split_first_chunk::<1>().ok_or_else(damaged)?;
        let (cluster, rest) = rest.split_at_checked(usize::from(length)).ok_or_else(damaged)?;
        let cluster = std::str::from_utf8(cluster).or(Err(IdentityError::Damaged))?;
        let (&[sealed], key) = rest.split_first_chunk::<1>().ok_or_else(damaged)?;
        let incarnation = Incarnation(*incarnation);
        if magic != MAGIC {
            return Err(IdentityError::Damaged);
        }
        let key = match (sealed, sealing) {
            (1, Some(sealing)) => sealing
                .seals
                .open(&place(cluster, incarnation), key)
                .map_err(IdentityError::Seal)?,
            (0, None) => Zeroizing::new(key.to_vec()),
            (1, None) => return Err(IdentityError::Mode { made: "sealed", opened: "unsealed" }),
            (0, Some(_)) => return Err(IdentityError::Mode { made: "unsealed", opened: "sealed" }),
            _ => return Err(IdentityError::Damaged),
        };
        let mut fixed = Zeroizing::new([0; KEY_BYTES]);
        if key.len() != KEY_BYTES {
            return Err(IdentityError::Damaged);
        }
        fixed.copy_from_slice(&key);
        Ok(Self::of(incarnation, cluster.to_owned(), fixed))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

fn place(cluster: &str, incarnation: Incarnation) -> Place<'_> {
    let generation = incarnation.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    Place { cluster, record: RECORD, generation }
}
