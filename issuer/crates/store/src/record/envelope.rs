//! What surrounds a value in sled: version, revision, length and checksum.
//!
//! ```text
//! 1 version | 8 revision | 4 length of the value | 4 CRC-32 | value      (big endian)
//! ```
//!
//! The checksum (CRC-32 of IEEE 802.3) covers the key, the revision and the value, so a record that
//! turns up under another key is as damaged as one with a flipped bit. It finds accidents, not
//! attackers. Whether the value is sealed is not this module's matter: it keeps the bytes it gets.

use moneyer_authority::store::Generation;

/// The only layout there is.
const VERSION: u8 = 1;

/// Bytes before the value.
const HEADER_BYTES: usize = 1 + 8 + 4 + 4;

/// A record as it was read.
#[derive(PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    /// The generation that wrote it.
    pub(crate) revision: Generation,
    /// Its bytes.
    pub(crate) value: &'a [u8],
}

/// Why stored bytes are not a record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvelopeError {
    /// Fewer bytes than a header has.
    #[error("the record is cut off")]
    Short,
    /// Written by another version, or damaged in its first byte.
    #[error("the record has the unknown version {0}")]
    Version(u8),
    /// The value is not as long as the header says.
    #[error("the record is not as long as it says")]
    Length,
    /// The checksum is that of other bytes.
    #[error("the record does not match its checksum")]
    Checksum,
}

impl<'a> Envelope<'a> {
    /// The bytes to store under `key`. A value is far shorter than 4 GiB.
    pub(crate) fn encode(key: &[u8], revision: Generation, value: &[u8]) -> Vec<u8> {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_BYTES.saturating_add(value.len()));
        bytes.push(VERSION);
        bytes.extend_from_slice(&revision.0.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&checksum(key, revision, value).to_be_bytes());
        bytes.extend_from_slice(value);
        bytes
    }

    /// What was stored under `key`.
    pub(crate) fn decode(key: &[u8], bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let (&[version], rest) = bytes.split_first_chunk().ok_or(EnvelopeError::Short)?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let (&revision, rest) = rest.split_first_chunk().ok_or(EnvelopeError::Short)?;
        let (&length, rest) = rest.split_first_chunk().ok_or(EnvelopeError::Short)?;
        let (&expected, value) = rest.split_first_chunk().ok_or(EnvelopeError::Short)?;
        let revision = Generation(u64::from_be_bytes(revision));
        if u32::try_from(value.len()) != Ok(u32::from_be_bytes(length)) {
            return Err(EnvelopeError::Length);
        }
        if checksum(key, revision, value) != u32::from_be_bytes(expected) {
            return Err(EnvelopeError::Checksum);
        }
        Ok(Self { revision, value })
    }
}

fn checksum(key: &[u8], revision: Generation, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&revision.0.to_be_bytes());
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"\x01key";

    #[test]
    fn gives_back_what_was_stored() {
        for value in [Vec::new(), b"\0\xff".to_vec(), vec![7; 70_000]] {
            let bytes = Envelope::encode(KEY, Generation(u64::MAX), &value);
            let envelope = Envelope::decode(KEY, &bytes).unwrap();
            assert_eq!(envelope.revision, Generation(u64::MAX));
            assert_eq!(envelope.value, value);
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = Envelope::encode(KEY, Generation(5), b"value");
        for place in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[place / 8] ^= 1 << (place % 8);
            assert!(Envelope::decode(KEY, &bytes).is_err(), "bit {place}");
        }
    }

    #[test]
    fn every_cut_and_every_extra_byte_is_found() {
        let mut bytes = Envelope::encode(KEY, Generation(5), b"value");
        for length in 0..bytes.len() {
            let error = Envelope::decode(KEY, &bytes[..length]).err().unwrap();
            assert!(matches!(error, EnvelopeError::Short | EnvelopeError::Length), "{length}");
        }
        bytes.push(0);
        assert_eq!(Envelope::decode(KEY, &bytes).err(), Some(EnvelopeError::Length));
    }

    #[test]
    fn a_record_under_another_key_is_damaged() {
        let bytes = Envelope::encode(KEY, Generation(5), b"value");
        assert_eq!(Envelope::decode(b"\x02key", &bytes).err(), Some(EnvelopeError::Checksum));
    }
}
