//! Opening the directory anew after a failure, and putting back what was never acknowledged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_authority::store::Generation;

use super::barrier::Barrier;
use super::catalogue::{Catalogue, NameChange};
use super::failure::Failure;
use super::group::Undo;
use super::open::{OpenSled, Opened};
use super::snapshot;
use super::store::SledOptions;
use super::writer::{Pen, names};
use crate::record::{Envelope, HEAD, Head, Identity, SetHash, record_of};

/// Makes the barrier of a directory that was just opened.
pub(super) type MakeBarrier<B> = Box<dyn Fn(&Path) -> io::Result<B> + Send>;

/// How the directory is opened.
pub(super) struct Reopen<B> {
    pub(super) path: PathBuf,
    pub(super) options: SledOptions,
    pub(super) barrier: MakeBarrier<B>,
}

impl<B: Barrier> Reopen<B> {
    /// Opens the directory, and takes back a group that was not acknowledged.
    pub(super) fn open(
        &self,
        acknowledged: Generation,
        undo: Option<&Undo>,
    ) -> Result<(Pen<B>, OpenSled), Failure> {
        let options = SledOptions { accept_loss: None, ..self.options.clone() };
        let opened = Opened::open(&self.path, &options);
        let opened = opened.map_err(|error| Failure::Reopen(Arc::new(error)))?;
        let barrier = (self.barrier)(opened.sled.log.path());
        let barrier = barrier.map_err(|error| Failure::Sync(Arc::new(error)))?;
        let Opened { sled, identity, head, catalogue, secret_files, sealing, .. } = opened;
        let mut pen = Pen { barrier, catalogue, identity, secret_files, sealing, head };
        if let Some(undo) = undo.filter(|_| head.generation > acknowledged.0) {
            take_back(&mut pen, &sled, undo)?;
        }
        Ok((pen, sled))
    }

    /// Writes a copy of everything.
    pub(super) fn export(&self, db: &sled::Db, identity: &Identity, head: &Head) -> io::Result<()> {
        let directory = self.path.join("snapshots");
        let sealing = identity.sealing(self.options.sealing.as_ref());
        snapshot::keep(&directory, db, identity, head, sealing.as_ref())
    }

    /// Removes all copies but the newest: the others may be sealed under a key that is to go.
    pub(super) fn forget_older_copies(&self) {
        if let Err(error) = snapshot::keep_newest(&self.path.join("snapshots"), 1) {
            tracing::warn!(%error, "copies sealed under an older key are still there");
        }
    }
}

/// Writes what was there before a group, with the head and catalogue of then.
///
/// The catalogue comes first and sled last: whatever fails in between leaves sled one batch ahead of its
/// catalogue, which opens. The other way round sled would be behind, which is a loss.
fn take_back<B: Barrier>(pen: &mut Pen<B>, sled: &OpenSled, undo: &Undo) -> Result<(), Failure> {
    let mut batch = sled::Batch::default();
    let mut secrets = Vec::new();
    for (key, stored) in &undo.records {
        match stored {
            Some(bytes) => batch.insert(key.clone(), bytes),
            None => batch.remove(key.clone()),
        }
        if let Some((collection, id)) = record_of(key).filter(|(of, _)| of.is_secret()) {
            secrets.push(super::group::SecretChange {
                collection,
                id: id.to_owned(),
                envelope: stored.as_ref().map(|bytes| bytes.to_vec()),
            });
        }
    }
    let path = pen.catalogue.path().to_owned();
    pen.catalogue =
        Catalogue::create(&path, &undo.head, names_before(&sled.db, undo), &pen.identity)
            .map_err(|error| Failure::Catalogue(Arc::new(error)))?;
    pen.secret_files.apply(&secrets).map_err(|error| Failure::SecretFile(Arc::new(error)))?;
    let head =
        Envelope::encode(HEAD, Generation(undo.head.generation), &undo.head.encode(&pen.identity));
    batch.insert(HEAD, head);
    sled.db.apply_batch(batch).map_err(Failure::Apply)?;
    sled.db.flush().map_err(Failure::Flush)?;
    pen.barrier.wait().map_err(|error| Failure::Sync(Arc::new(error)))?;
    pen.head = undo.head;
    debug_assert!(pen.head.hash != SetHash::default() || pen.head.count == 0, "an empty sum");
    Ok(())
}

/// Every record's key and revision before a group that is still in sled.
fn names_before<'a>(db: &sled::Db, undo: &'a Undo) -> impl Iterator<Item = NameChange> + use<'a> {
    let before = undo.records.iter().filter_map(|(key, stored)| {
        let revision = Envelope::decode(key, stored.as_ref()?).ok()?.revision;
        Some((key.clone(), Some(revision)))
    });
    names(db).filter(|(key, _)| !undo.records.contains_key(key)).chain(before)
}
