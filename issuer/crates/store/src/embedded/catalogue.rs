//! The catalogue: which records there must be, in a file of ours beside sled.
//!
//! sled drops everything after a damaged place of its log without a word. The catalogue knows what there
//! was: an entry for each batch, with the keys it wrote and removed and their revisions, each entry
//! authenticated together with the one before it. It is written and synced after sled and before
//! anything is acknowledged, so what it names was on disk, and a record of it that is not there now is
//! lost and can be named.
//!
//! ```text
//! 4 length | 1 kind | head | (2 key length | key | 8 revision, 0 removed)* | 32 tag
//! ```
//!
//! The first entry names every record (`Full`); the others what changed. An entry that is cut off or does
//! not match its tag ends the catalogue: what follows cannot be told from garbage. Whether that is the
//! one batch that was never acknowledged, or more, is for the caller to judge by sled's head.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use moneyer_authority::store::Generation;

use super::replace::replace;
use crate::record::{Head, Identity};

/// Bytes after which the file is written anew, if that makes it half as long: appending is what makes
/// commits fast, and reading is what makes a start slow.
const COMPACT_AFTER_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of an encoded head without its tag.
const HEAD_BYTES: usize = 8 + 8 + 8 + 32;

/// Names every record.
const FULL: u8 = 1;

/// Names what changed.
const DELTA: u8 = 2;

/// The records there must be, with the generations that wrote them.
pub(super) type Names = BTreeMap<Vec<u8>, Generation>;

/// A change of one name: its revision, or `None` where it is removed.
pub(super) type NameChange = (Vec<u8>, Option<Generation>);

/// An open catalogue, at its end.
pub(super) struct Catalogue {
    path: PathBuf,
    file: File,
    tag: [u8; 32],
    bytes: u64,
    full_bytes: u64,
}

/// What a catalogue says.
#[derive(Debug)]
pub(super) struct Reading {
    /// The head after its last sound entry.
    pub(super) head: Head,
    /// The records there must be then.
    pub(super) names: Names,
    /// Bytes of sound entries.
    pub(super) sound_bytes: u64,
    /// Bytes of the file.
    pub(super) bytes: u64,
    tag: [u8; 32],
    full_bytes: u64,
}

impl Catalogue {
    /// Reads a catalogue; `None` where it has not even one sound entry.
    pub(super) fn read(path: &Path, identity: &Identity) -> io::Result<Option<Reading>> {
        let bytes = std::fs::read(path)?;
        let mut reading: Option<Reading> = None;
        let mut rest = bytes.as_slice();
        let mut tag = [0; 32];
        while let Some((entry, after)) = split_entry(rest) {
            let Some((kind, head, changes)) = decode(entry, &tag, identity) else { break };
            if (kind == FULL) != reading.is_none() {
                break;
            }
            if let Some(last_chunk) = entry.last_chunk::<32>() {
                tag = *last_chunk;
            }
            let sound_bytes = length(bytes.len() - after.len());
            let reading = reading.get_or_insert_with(|| Reading {
                head,
                names: Names::new(),
                sound_bytes,
                bytes: length(bytes.len()),
                tag,
                full_bytes: sound_bytes,
            });
            (reading.head, reading.tag, reading.sound_bytes) = (head, tag, sound_bytes);
            for (key, revision) in changes {
                match revision {
                    Some(revision) => reading.names.insert(key, revision),
                    None => reading.names.remove(&key),
                };
            }
            rest = after;
        }
        Ok(reading)
    }

    /// Goes on where a reading ended; what is behind that is cut off.
    pub(super) fn resume(path: &Path, reading: &Reading) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        if reading.sound_bytes < reading.bytes {
            file.set_len(reading.sound_bytes)?;
            file.sync_all()?;
        }
        let Reading { tag, sound_bytes, full_bytes, .. } = *reading;
        Ok(Self { path: path.to_owned(), file, tag, bytes: sound_bytes, full_bytes })
    }

    /// Writes a catalogue of these records in place of any other.
    pub(super) fn create(
        path: &Path,
        head: &Head,
        names: impl Iterator<Item = NameChange>,
        identity: &Identity,
    ) -> io::Result<Self> {
        let (entry, tag) = encode(FULL, head, names, &[0; 32], identity);
        replace(path, &entry)?;
        let file = OpenOptions::new().append(true).mode(0o600).open(path)?;
        let bytes = length(entry.len());
        Ok(Self { path: path.to_owned(), file, tag, bytes, full_bytes: bytes })
    }

    /// Adds a batch. It is on disk when this returns; after an error the catalogue is not used again.
    pub(super) fn append(
        &mut self,
        head: &Head,
        changes: Vec<NameChange>,
        identity: &Identity,
    ) -> io::Result<()> {
        let (entry, tag) = encode(DELTA, head, changes.into_iter(), &self.tag, identity);
        self.file.write_all(&entry)?;
        self.file.sync_data()?;
        (self.tag, self.bytes) = (tag, self.bytes.saturating_add(length(entry.len())));
        Ok(())
    }

    /// Whether it should be written anew.
    pub(super) fn is_long(&self) -> bool {
        self.bytes > COMPACT_AFTER_BYTES.max(self.full_bytes.saturating_mul(2))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").field("path", &self.path).finish_non_exhaustive()
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn encode(
    kind: u8,
    head: &Head,
    changes: impl Iterator<Item = NameChange>,
    before: &[u8; 32],
    identity: &Identity,
) -> (Vec<u8>, [u8; 32]) {
    let mut bytes = vec![0; 4];
    bytes.push(kind);
    bytes.extend_from_slice(&head.body());
    for (key, revision) in changes {
        // An id has at most 255 bytes, so a key 256.
        bytes.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&revision.unwrap_or_default().0.to_be_bytes());
    }
    let tag = identity.tag(&[b"catalogue", before, bytes.get(4..).unwrap_or_default()]);
    bytes.extend_from_slice(&tag);
    let length = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(first) = bytes.first_chunk_mut::<4>() {
        *first = length;
    }
    (bytes, tag)
}

/// The first entry without its length, and what follows it.
fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn decode(
    entry: &[u8],
    before: &[u8; 32],
    identity: &Identity,
) -> Option<(u8, Head, Vec<NameChange>)> {
    let (body, tag) = entry.split_last_chunk::<32>()?;
    if !identity.is_tag(&[b"catalogue", before, body], tag) {
        return None;
    }
    let (&[kind], rest) = body.split_first_chunk::<1>()?;
    let (head, mut rest) = rest.split_at_checked(HEAD_BYTES)?;
    let head = Head::of_body(head)?;
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (key, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (revision, after) = after.split_first_chunk::<8>()?;
        let revision = Generation(u64::from_be_bytes(*revision));
        changes.push((key.to_vec(), (revision.0 != 0).then_some(revision)));
        rest = after;
    }
    Some((kind, head, changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(generation: u64) -> Head {
        Head { generation, previous: generation.saturating_sub(1), ..Head::default() }
    }

    fn name(key: &str, revision: u64) -> NameChange {
        (key.as_bytes().to_vec(), (revision != 0).then_some(Generation(revision)))
    }

    fn written(path: &Path, identity: &Identity) {
        let mut catalogue =
            Catalogue::create(path, &head(1), [name("a", 1)].into_iter(), identity).unwrap();
        catalogue.append(&head(2), vec![name("b", 2)], identity).unwrap();
        catalogue.append(&head(3), vec![name("a", 0), name("c", 3)], identity).unwrap();
    }

    #[test]
    fn it_says_what_there_must_be() {
        let directory = tempfile::tempdir().unwrap();
        let (path, identity) = (directory.path().join("c"), Identity::random("test").unwrap());
        written(&path, &identity);
        let reading = Catalogue::read(&path, &identity).unwrap().unwrap();
        assert_eq!(reading.head, head(3));
        let expected = [("b", 2), ("c", 3)].map(|(key, at)| (key.into(), Generation(at)));
        assert_eq!(reading.names, Names::from(expected));
        let mut resumed = Catalogue::resume(&path, &reading).unwrap();
        resumed.append(&head(4), vec![name("d", 4)], &identity).unwrap();
        assert_eq!(Catalogue::read(&path, &identity).unwrap().unwrap().head, head(4));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_ends_it_before_the_damage() {
        let directory = tempfile::tempdir().unwrap();
        let (path, identity) = (directory.path().join("c"), Identity::random("test").unwrap());
        written(&path, &identity);
        let whole = std::fs::read(&path).unwrap();
        let generation = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Catalogue::read(&path, &identity).unwrap().map(|reading| reading.head.generation)
        };
        for place in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[place / 8] ^= 1 << (place % 8);
            assert_ne!(generation(&flipped), Some(3), "bit {place}");
        }
        for cut in 0..whole.len() {
            assert_ne!(generation(&whole[..cut]), Some(3), "{cut} bytes");
        }
        assert_eq!(generation(&whole), Some(3));
    }

    #[test]
    fn the_entries_of_two_catalogues_do_not_mix() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let identity = Identity::random("test").unwrap();
        written(&path("one"), &identity);
        let mut other =
            Catalogue::create(&path("two"), &head(1), [name("z", 1)].into_iter(), &identity)
                .unwrap();
        other.append(&head(2), vec![name("y", 2)], &identity).unwrap();
        let (one, two) = (std::fs::read(path("one")).unwrap(), std::fs::read(path("two")).unwrap());
        let first = split_entry(&one).unwrap().0.len() + 4;
        let after = split_entry(&two).unwrap().1;
        std::fs::write(path("mixed"), [&one[..first], after].concat()).unwrap();
        let reading = Catalogue::read(&path("mixed"), &identity).unwrap().unwrap();
        assert_eq!(reading.head, head(1), "the entry of the other is not taken");
    }
}
