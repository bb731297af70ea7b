//! What a record looks like on disk: sealed where its collection holds secrets, in an envelope always.
//!
//! A seal is bound to the cluster, the record's name and the generation that wrote it, so a record that
//! was moved, swapped with another or put back from a backup does not open.

use moneyer_authority::store::{Cause, Collection, Generation, StoreError};
use zeroize::Zeroizing;

use super::envelope::Envelope;
use super::identity::Sealing;
use super::key::record_of;
use crate::seal::Place;

/// The bytes to store under a record's key.
pub(crate) fn enclose(
    sealing: Option<&Sealing>,
    (collection, id): (Collection, &str),
    key: &[u8],
    generation: Generation,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let Some(sealing) = sealing.filter(|_| collection.is_secret()) else {
        return Ok(Envelope::encode(key, generation, value));
    };
    let record = format!("{}/{id}", collection.as_str());
    let place = Place { cluster: &sealing.cluster, record: &record, generation: generation.0 };
    let sealed = sealing.seals.seal(&place, value);
    let sealed = sealed.map_err(|error| StoreError::Encode(error.into()))?;
    Ok(Envelope::encode(key, generation, &sealed))
}

/// A record's revision and value.
pub(crate) fn disclose(
    sealing: Option<&Sealing>,
    key: &[u8],
    bytes: &[u8],
) -> Result<(Generation, Zeroizing<Vec<u8>>), Cause> {
    let Envelope { revision, value } = Envelope::decode(key, bytes)?;
    let (collection, id) = record_of(key).ok_or("it is in no collection that is known")?;
    let Some(sealing) = sealing.filter(|_| collection.is_secret()) else {
        return Ok((revision, Zeroizing::new(value.to_vec())));
    };
    let record = format!("{}/{id}", collection.as_str());
    let place = Place { cluster: &sealing.cluster, record: &record, generation: revision.0 };
    Ok((revision, sealing.seals.open(&place, value)?))
}
