//! Copies of a store in one file: what is kept when keys change, what a backup is, and what is restored.
//!
//! ```text
//! magic | 4 length | identity as in its own file | 4 length | recovery copy, or nothing | head
//!       | (2 key length | key | 4 length | envelope)* | 32 tag
//! ```
//!
//! Records are as they are in the store, secrets sealed. The tag covers everything, under the key of the
//! identity in it; without the key-encryption key a copy cannot be made or changed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use moneyer_authority::store::{Cause, Generation};
use moneyer_identity::ErrorClass;

use super::catalogue::Catalogue;
use super::directory::StoreDirectory;
use super::group::SecretChange;
use super::open::{OpenError, Opened};
use super::recovery;
use super::replace::sync_parent;
use super::store::SledOptions;
use crate::record::{
    Envelope, HEAD, Head, Identity, IdentityError, Sealing, SetHash, disclose, record_of, shown,
};
use crate::seal::{KekId, SealError};

/// First bytes of a copy.
const MAGIC: &[u8; 8] = b"MNYSNAP2";

/// Copies kept in the store's directory: the newest, and the one before it should that be cut off.
const KEPT: usize = 2;

/// The end of a copy's name.
const EXTENSION: &str = "snapshot";

/// Most bytes before the head: an identity is shorter than a kilobyte.
const MAXIMUM_BEGIN_BYTES: u64 = 128 * 1024;

/// Records written to the new store at once.
const BATCH_RECORDS: usize = 4096;

/// Why a copy is not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The copy cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The copy is cut off, changed, or made with another key.
    #[error("{path} is not a whole copy of a store: {what}")]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What shows it.
        what: String,
    },
    /// The key that it is sealed under is not here.
    #[error(
        "{path} was made under the seal key {needed}, which is not here; name it as seal.key_file or in \
         seal.older_key_files; if it is lost, get it back: `moneyer store recover --identity FILE --from \
         {path}`"
    )]
    Key {
        /// The copy.
        path: PathBuf,
        /// The key that is needed.
        needed: KekId,
    },
    /// There is a store where the copy would go.
    #[error("{path} holds a store; move it aside first, so that nothing is overwritten")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// There is a file where the copy would go.
    #[error("{path} exists already; name a new file")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No file can be made there.
    #[error(
        "no file can be made at {path}; name one in a directory that is there and that the coordinator's user may \
         write"
    )]
    NoPlace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The new store cannot be made or opened.
    #[error("the store cannot be made from the copy")]
    Open(#[source] OpenError),
    /// The new store cannot be written.
    #[error("the store cannot be written")]
    Write(#[source] Cause),
}

impl RestoreError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoPlace { .. } => ErrorClass::Invalid,
            Self::NotEmpty { .. } | Self::Exists { .. } => ErrorClass::Conflict,
            Self::Write(_) | Self::Read { .. } => ErrorClass::Unavailable,
            Self::Damaged { .. } | Self::Key { .. } | Self::Open(_) => ErrorClass::Internal,
        }
    }
}

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The generation of the last commit in it.
    pub generation: Generation,
    /// Records.
    pub records: u64,
    /// Those of them that hold private keys.
    pub secrets: u64,
}

/// Writes a copy into the directory of copies, and removes all but the newest.
pub(super) fn keep(
    directory: &Path,
    db: &sled::Db,
    identity: &Identity,
    head: &Head,
    sealing: Option<&Sealing>,
) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = directory.join(format!("{:020}.{EXTENSION}", head.generation));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(&path, db, identity, head, sealing)?;
    keep_newest(directory, KEPT)
}

/// Removes all copies but the newest.
pub(super) fn keep_newest(directory: &Path, kept: usize) -> io::Result<()> {
    let mut copies: Vec<_> = fs::read_dir(directory)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .collect();
    copies.sort_unstable();
    let surplus = copies.len().saturating_sub(kept);
    copies.iter().take(surplus).try_for_each(fs::remove_file)
}

/// Writes a copy to a file that does not exist yet. It is on disk when this returns.
pub(super) fn write(
    path: &Path,
    db: &sled::Db,
    identity: &Identity,
    head: &Head,
    sealing: Option<&Sealing>,
) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = write_to(file, db, identity, head, sealing);
    if written.is_err() {
        // Half a copy is no copy.
        fs::remove_file(path).ok();
    }
    written?;
    sync_parent(path)
}

fn write_to(
    file: File,
    db: &sled::Db,
    identity: &Identity,
    head: &Head,
    sealing: Option<&Sealing>,
) -> io::Result<()> {
    let named = identity.encode(sealing).map_err(io::Error::other)?;
    let mut body = Vec::new();
    body.extend_from_slice(MAGIC);
    body.extend_from_slice(&u32::try_from(named.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend_from_slice(&named);
    let recovery = recovery::encrypt(sealing)?;
    body.extend_from_slice(&u32::try_from(recovery.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend_from_slice(&recovery);
    body.extend_from_slice(&head.body());
    // Tags of pieces in a chain, so that no copy has to be in memory whole.
    let mut tag = identity.tag(&[b"snapshot", &body]);
    let mut out = BufWriter::new(file);
    out.write_all(&body)?;
    for entry in db.iter() {
        let (key, bytes) = entry.map_err(io::Error::other)?;
        if key == HEAD {
            continue;
        }
        let key_length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        for part in [&key_length[..], &key, &length, &bytes] {
            out.write_all(part)?;
        }
        tag = identity.tag(&[b"snapshot record", &tag, &key, &bytes]);
    }
    out.write_all(&tag)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// A copy that was read and found whole.
struct Copy {
    head: Head,
    identity: Identity,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Copy {
    fn copied(&self) -> Copied {
        let is_secret = |key: &[u8]| record_of(key).is_some_and(|(of, _)| of.is_secret());
        let secrets = self.records.iter().filter(|(key, _)| is_secret(key)).count();
        Copied {
            generation: Generation(self.head.generation),
            records: self.head.count,
            secrets: u64::try_from(secrets).unwrap_or(u64::MAX),
        }
    }
}

/// Reads a copy and checks all of it.
pub(super) fn check(path: &Path, sealing: Option<&Sealing>) -> Result<Copied, RestoreError> {
    let copy = read(path, sealing)?;
    Ok(copy.copied())
}

/// The recovery copy in it; nothing where there is none. Whether the rest is whole is not looked at: that
/// takes the key.
pub(super) fn recovery_copy(path: &Path) -> Result<Vec<u8>, RestoreError> {
    let read = |source| RestoreError::Read { path: path.to_owned(), source };
    let what = || "it is cut off or something else".to_owned();
    let damaged = || RestoreError::Damaged { path: path.to_owned(), what: what() };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(MAXIMUM_BEGIN_BYTES).read_to_end(&mut bytes).map_err(read)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (_, rest) = split::<4>(rest).ok_or_else(damaged)?;
    let (recovery, _) = split::<4>(rest).ok_or_else(damaged)?;
    Ok(recovery.to_vec())
}

/// Makes a store of a copy, in a directory that holds none. It is another incarnation.
pub(super) fn restore(
    from: &Path,
    to: &Path,
    options: &SledOptions,
) -> Result<Copied, RestoreError> {
    let sealing = options.sealing.as_ref();
    let copy = read(from, sealing)?;
    let directory = StoreDirectory::prepare(to).map_err(RestoreError::Open)?;
    let holds = directory.holds_anything().map_err(RestoreError::Open)?;
    if holds || directory.identity().exists() {
        return Err(RestoreError::NotEmpty { path: to.to_owned() });
    }
    // Seals are bound to the name the store had.
    let sealing = copy.identity.sealing(sealing);
    let options = &SledOptions { sealing, accept_loss: None, ..options.clone() };
    let opened = Opened::open(to, options).map_err(RestoreError::Open)?;
    fill(&opened, &directory, &copy).map_err(RestoreError::Write)?;
    let copied = copy.copied();
    drop(opened);
    // As at every start: whatever does not fit together shows here.
    Opened::open(to, options).map(drop).map_err(RestoreError::Open)?;
    Ok(copied)
}

fn fill(opened: &Opened, directory: &StoreDirectory, copy: &Copy) -> Result<(), Cause> {
    let (db, identity) = (&opened.sled.db, &opened.identity);
    let mut head = Head { previous: copy.head.generation, ..copy.head };
    (head.count, head.hash) = (0, SetHash::default());
    let mut secrets = Vec::new();
    for records in copy.records.chunks(BATCH_RECORDS) {
        let mut batch = sled::Batch::default();
        for (key, bytes) in records {
            batch.insert(key.clone(), bytes.clone());
            head.hash.add(SetHash::of(identity, key, bytes));
            head.count = head.count.saturating_add(1);
            if let Some((collection, id)) = record_of(key).filter(|(of, _)| of.is_secret()) {
                let (id, envelope) = (id.to_owned(), Some(bytes.clone()));
                secrets.push(SecretChange { collection, id, envelope });
            }
        }
        db.apply_batch(batch)?;
    }
    let encoded = Envelope::encode(HEAD, Generation(head.generation), &head.encode(identity));
    db.insert(HEAD, encoded)?;
    db.flush()?;
    opened.secret_files.apply(&secrets)?;
    let names = copy.records.iter().filter_map(|(key, bytes)| {
        Some((key.clone(), Some(Envelope::decode(key, bytes).ok()?.revision)))
    });
    Catalogue::create(&directory.catalogue(), &head, names, identity)?;
    Ok(directory.settle()?)
}

fn read(path: &Path, sealing: Option<&Sealing>) -> Result<Copy, RestoreError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|source| RestoreError::Read { path: path.to_owned(), source })?;
    let damaged = |what: String| RestoreError::Damaged { path: path.to_owned(), what };
    let cut = || damaged("it is cut off or something else".to_owned());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
    let (named, rest) = split::<4>(rest).ok_or_else(cut)?;
    let (_recovery, rest) = split::<4>(rest).ok_or_else(cut)?;
    let (head, mut rest) = rest.split_at_checked(56).ok_or_else(cut)?;
    let missing = |needed| RestoreError::Key { path: path.to_owned(), needed };
    let identity = Identity::decode(named, sealing).map_err(|error| match error {
        IdentityError::Seal(SealError::UnknownKey { needed }) => missing(needed),
        error => damaged(error.to_string()),
    })?;
    let head = Head::of_body(head).ok_or_else(cut)?;
    let sealing = identity.sealing(sealing);
    let sealing = sealing.as_ref();
    let begin = bytes.len().saturating_sub(rest.len());
    let mut tag = identity.tag(&[b"snapshot", bytes.get(..begin).unwrap_or_default()]);
    let mut records = Vec::new();
    while rest.len() > 32 {
        let (key, after) = split::<2>(rest).ok_or_else(cut)?;
        let (envelope, after) = split::<4>(after).ok_or_else(cut)?;
        tag = identity.tag(&[b"snapshot record", &tag, key, envelope]);
        disclose(sealing, key, envelope).map_err(|error| match error.downcast_ref() {
            Some(SealError::UnknownKey { needed }) => missing(*needed),
            _ => damaged(format!("{}: {error}", shown(key))),
        })?;
        records.push((key.to_vec(), envelope.to_vec()));
        rest = after;
    }
    if aws_lc_rs::constant_time::verify_slices_are_equal(&tag, rest).is_err() {
        return Err(damaged("its checksum is that of something else".to_owned()));
    }
    if u64::try_from(records.len()).ok() != Some(head.count) {
        return Err(damaged("it lacks records".to_owned()));
    }
    Ok(Copy { head, identity, records }).inspect(|copy| {
        tracing::debug!(store.incarnation = %copy.identity.incarnation, "a copy is whole");
    })
}

/// A piece behind its length of `N` bytes, and what follows it.
fn split<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    rest.split_at_checked(length)
}
