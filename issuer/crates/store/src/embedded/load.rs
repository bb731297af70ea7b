//! Reading a collection in the order of its ids.
//!
//! A thread for blocking work reads, checks, opens and decodes; the records cross to the caller in blocks,
//! since a message each would cost more than reading them. Every record's checksum is checked, and
//! the first that does not match ends the reading with its name.

use std::sync::Arc;

use moneyer_authority::store::{Cause, Collection, Receive, StoreError, Stored};
use tokio::sync::mpsc;

use super::failure::{Failure, panic_text};
use super::open::OpenSled;
use crate::record::{Sealing, collection_byte, disclose};

/// Records in a block: enough that crossing threads costs little.
const BLOCK_RECORDS: usize = 1024;

/// Bytes of values after which a block is full, so that large records do not pile up.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Blocks read ahead of the caller.
const BLOCKS_AHEAD: usize = 2;

type Block = Result<Vec<Stored>, StoreError>;

/// Hands every record of the collection to `receive`.
pub(super) async fn load(
    sled: Arc<OpenSled>,
    sealing: Option<Sealing>,
    collection: Collection,
    receive: Receive<'_>,
) -> Result<(), StoreError> {
    let (sender, mut blocks) = mpsc::channel(BLOCKS_AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        if let Err(error) = read(&sled.db, sealing.as_ref(), collection, &sender) {
            drop(sender.blocking_send(Err(error)));
        }
    });
    let received = receive_blocks(&mut blocks, receive).await;
    // The reader ends when nobody receives, and holds the store open until then.
    drop(blocks);
    let ended = reader.await;
    received?;
    ended.map_err(|error| {
        let text = error.try_into_panic().map(|panic| panic_text(&*panic));
        Failure::Panic(text.unwrap_or_else(|error| error.to_string())).into()
    })
}

async fn receive_blocks(
    blocks: &mut mpsc::Receiver<Block>,
    receive: Receive<'_>,
) -> Result<(), StoreError> {
    while let Some(block) = blocks.recv().await {
        block?.into_iter().try_for_each(&mut *receive)?;
    }
    Ok(())
}

/// Ends early without an error if the caller is gone.
fn read(
    db: &sled::Db,
    sealing: Option<&Sealing>,
    collection: Collection,
    sender: &mpsc::Sender<Block>,
) -> Result<(), StoreError> {
    let mut block = Vec::new();
    let mut bytes = 0_usize;
    for entry in db.scan_prefix([collection_byte(collection)]) {
        let (key, envelope) = entry.map_err(|error| StoreError::Unavailable(error.into()))?;
        let stored = decode(sealing, collection, &key, &envelope)?;
        bytes = bytes.saturating_add(stored.value.len());
        block.push(stored);
        if block.len() >= BLOCK_RECORDS || bytes >= BLOCK_BYTES {
            bytes = 0;
            if sender.blocking_send(Ok(std::mem::take(&mut block))).is_err() {
                return Ok(());
            }
        }
    }
    drop(sender.blocking_send(Ok(block)));
    Ok(())
}

fn decode(
    sealing: Option<&Sealing>,
    collection: Collection,
    key: &[u8],
    bytes: &[u8],
) -> Result<Stored, StoreError> {
    let id = key.get(1..).unwrap_or_default();
    let damaged = |cause: Cause| StoreError::Damaged {
        collection,
        id: String::from_utf8_lossy(id).into_owned(),
        cause,
    };
    let (revision, value) = disclose(sealing, key, bytes).map_err(damaged)?;
    let id = std::str::from_utf8(id).map_err(|error| damaged(error.into()))?;
    Ok(Stored { id: id.to_owned(), revision, value })
}
