//! Is everything there? Every record against sled's head, the catalogue and the files of the secrets.
//!
//! What sled holds must be what its own authenticated head says, and what the catalogue names: the same
//! records with the same revisions. sled may be one batch ahead, if the machine stopped between sled and
//! the catalogue; the head names the one before it, so that one batch is told from several. Everything
//! else is a loss, a rollback or somebody's hand, and is named record by record.

use std::collections::BTreeMap;
use std::io;

use moneyer_authority::store::{Cause, Generation};

use super::catalogue::{Catalogue, Names, Reading};
use super::directory::StoreDirectory;
use super::group::SecretChange;
use super::identity_file;
use super::open::{OpenError, OpenSled, Opened};
use super::secret_files::{Contents, SecretFiles};
use crate::findings::Findings;
use crate::record::{Envelope, HEAD, Head, Identity, Sealing, SetHash, disclose, record_of, shown};
use crate::seal::SealError;

/// A store that is being opened.
pub(super) struct Inspection<'a> {
    pub(super) directory: &'a StoreDirectory,
    pub(super) sealing: Option<Sealing>,
    pub(super) accept_loss: Option<Generation>,
    pub(super) sled: OpenSled,
    pub(super) identity: Identity,
    pub(super) secret_files: SecretFiles,
}

/// What sled holds.
struct Scan {
    head: Option<Head>,
    computed: Head,
    names: Names,
    damaged: Vec<Vec<u8>>,
    secrets: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Inspection<'_> {
    /// Opens the store if it is whole, or with a loss that was accepted.
    pub(super) fn open(self) -> Result<Opened, OpenError> {
        let scan = self.scan()?;
        let reading = self.read_catalogue()?;
        let (files, odd) = self.read_secret_files()?;
        let is_new = scan.head.is_none()
            && scan.names.is_empty()
            && scan.damaged.is_empty()
            && reading.is_none()
            && files.is_empty()
            && odd.is_empty();
        let findings =
            if is_new { Findings::default() } else { self.judge(&scan, reading.as_ref())? };
        let found = Generation(scan.head.unwrap_or(scan.computed).generation);
        // A whole store may have been rolled back, which only its witnesses can tell.
        if findings.is_empty() && self.accept_loss.is_none() {
            return self.go_on(scan, reading.as_ref());
        }
        let path = self.directory.root().to_owned();
        match self.accept_loss {
            None => Err(OpenError::Loss { path, findings, generation: found }),
            Some(accepted) if accepted != found => {
                Err(OpenError::OtherLoss { path, found, accepted })
            }
            Some(_) => {
                tracing::error!(%findings, "a loss is accepted");
                self.accept(scan)
            }
        }
    }

    fn scan(&self) -> Result<Scan, OpenError> {
        let failed = |error: sled::Error| OpenError::Damaged {
            path: self.directory.root().to_owned(),
            cause: error.into(),
        };
        let mut scan = Scan {
            head: None,
            computed: Head::default(),
            names: Names::new(),
            damaged: Vec::new(),
            secrets: BTreeMap::new(),
        };
        for entry in self.sled.db.iter() {
            let (key, bytes) = entry.map_err(failed)?;
            if key == HEAD {
                let envelope = Envelope::decode(HEAD, &bytes).ok();
                scan.head = envelope.and_then(|head| Head::decode(head.value, &self.identity));
                continue;
            }
            let secret = record_of(&key).is_some_and(|(collection, _)| collection.is_secret());
            let revision = if secret {
                scan.secrets.insert(key.to_vec(), bytes.to_vec());
                match disclose(self.sealing.as_ref(), &key, &bytes) {
                    Ok((revision, _)) => Some(revision),
                    Err(cause) => self.is_not_for_want_of_a_key(&cause).map(|()| None)?,
                }
            } else {
                Envelope::decode(&key, &bytes).map(|envelope| envelope.revision).ok()
            };
            let Some(revision) = revision.filter(|_| record_of(&key).is_some()) else {
                scan.damaged.push(key.to_vec());
                continue;
            };
            scan.computed.hash.add(SetHash::of(&self.identity, &key, &bytes));
            scan.computed.count = scan.computed.count.saturating_add(1);
            scan.computed.generation = scan.computed.generation.max(revision.0);
            scan.names.insert(key.to_vec(), revision);
        }
        Ok(scan)
    }

    /// A record whose key is elsewhere is no loss yet, and to go on without it is never the first advice.
    fn is_not_for_want_of_a_key(&self, cause: &Cause) -> Result<(), OpenError> {
        match cause.downcast_ref() {
            Some(SealError::UnknownKey { needed }) if self.accept_loss.is_none() => {
                Err(OpenError::Key { path: self.directory.root().to_owned(), needed: *needed })
            }
            _ => Ok(()),
        }
    }

    fn read_catalogue(&self) -> Result<Option<Reading>, OpenError> {
        let path = self.directory.catalogue();
        match Catalogue::read(&path, &self.identity) {
            Ok(reading) => Ok(reading),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    fn judge(&self, scan: &Scan, reading: Option<&Reading>) -> Result<Findings, OpenError> {
        let mut findings = Findings::default();
        for key in &scan.damaged {
            findings.add(|| format!("{} is damaged or was put there by someone else", shown(key)));
        }
        // A store that was made and never written to has a catalogue and no head.
        let unwritten =
            scan.names.is_empty() && reading.is_some_and(|reading| reading.head == Head::default());
        match (scan.head.or(unwritten.then(Head::default)), reading) {
            (_, None) => findings.add(|| "CATALOGUE is missing or damaged".to_owned()),
            (None, Some(reading)) => {
                findings.add(|| "the head of the records is missing or damaged".to_owned());
                compare(&scan.names, &reading.names, &mut findings);
            }
            (Some(head), Some(reading)) => {
                judge_heads(scan, &head, reading, &mut findings);
            }
        }
        // One batch ahead, its files may not be written yet; they are made again from sled.
        if !is_one_ahead(scan, reading) {
            self.judge_secrets(scan, &mut findings)?;
        }
        Ok(findings)
    }

    fn judge_secrets(&self, scan: &Scan, findings: &mut Findings) -> Result<(), OpenError> {
        let (files, odd) = self.read_secret_files()?;
        for path in odd {
            findings.add(|| format!("{} is damaged or not ours", path.display()));
        }
        for (key, bytes) in &scan.secrets {
            if files.get(key).is_none_or(|file| !self.is_same_secret(key, bytes, file)) {
                findings.add(|| format!("the file of {} is missing or another", shown(key)));
            }
        }
        for key in files.keys().filter(|key| !scan.secrets.contains_key(*key)) {
            findings.add(|| format!("{} is only in its file", shown(key)));
        }
        Ok(())
    }

    /// The same bytes, or the same secret sealed under another key: sealing anew was cut off between the
    /// two.
    fn is_same_secret(&self, key: &[u8], stored: &[u8], file: &[u8]) -> bool {
        let opened = |bytes| disclose(self.sealing.as_ref(), key, bytes).ok();
        stored == file || opened(stored).is_some_and(|stored| Some(stored) == opened(file))
    }

    fn read_secret_files(&self) -> Result<Contents, OpenError> {
        let path = self.directory.secrets();
        self.secret_files.read().map_err(|source| OpenError::Io { path, source })
    }

    /// A whole store: its catalogue goes on, completed by the batch it may lack.
    fn go_on(self, scan: Scan, reading: Option<&Reading>) -> Result<Opened, OpenError> {
        let path = self.directory.catalogue();
        let failed = |source| OpenError::Io { path: path.clone(), source };
        let head = scan.head.unwrap_or_default();
        let catalogue = match reading {
            Some(reading) if reading.head == head => Catalogue::resume(&path, reading),
            _ => {
                self.renew_secret_files(&scan)?;
                let names = scan.names.into_iter().map(|(key, at)| (key, Some(at)));
                Catalogue::create(&path, &head, names, &self.identity)
            }
        };
        let catalogue = catalogue.map_err(failed)?;
        let Self { sled, identity, secret_files, sealing, .. } = self;
        let loss_accepted = false;
        Ok(Opened { sled, identity, head, catalogue, secret_files, sealing, loss_accepted })
    }

    /// Goes on with what there is, as another incarnation: what runners and backups know of the one
    /// before does not bind it. Private keys that are only in their files are put back.
    fn accept(self, mut scan: Scan) -> Result<Opened, OpenError> {
        let root = self.directory.root().to_owned();
        let damaged = |cause| OpenError::Damaged { path: root.clone(), cause };
        let mut batch = sled::Batch::default();
        for key in &scan.damaged {
            batch.remove(key.clone());
            scan.secrets.remove(key);
        }
        let (files, odd) = self.read_secret_files()?;
        for path in odd {
            std::fs::remove_file(&path).map_err(|source| OpenError::Io { path, source })?;
        }
        for (key, bytes) in files {
            let sound = disclose(self.sealing.as_ref(), &key, &bytes);
            if let (Ok((revision, _)), false) = (sound, scan.names.contains_key(&key)) {
                batch.insert(key.clone(), bytes.clone());
                scan.names.insert(key.clone(), revision);
                scan.secrets.insert(key, bytes);
            }
        }
        self.sled.db.apply_batch(batch).map_err(|error| damaged(error.into()))?;
        let identity_path = self.directory.identity();
        let identity = Identity::random(&self.identity.cluster)
            .and_then(|identity| {
                identity_file::write(&identity_path, &identity, self.sealing.as_ref())?;
                Ok(identity)
            })
            .map_err(|error| OpenError::File { path: identity_path, cause: error.into() })?;
        let mut head = Head { generation: scan.computed.generation, ..Head::default() };
        if let Some(known) = scan.head {
            head.generation = head.generation.max(known.generation);
        }
        (head.previous, head.count) =
            (head.generation, u64::try_from(scan.names.len()).unwrap_or(0));
        for key in scan.names.keys() {
            let bytes = self.sled.db.get(key).map_err(|error| damaged(error.into()))?;
            let bytes = bytes.unwrap_or_default();
            head.hash.add(SetHash::of(&identity, key, &bytes));
        }
        let envelope = Envelope::encode(HEAD, Generation(head.generation), &head.encode(&identity));
        let written = self.sled.db.insert(HEAD, envelope).and_then(|_| self.sled.db.flush());
        written.map_err(|error| damaged(error.into()))?;
        self.write_secret_files(&scan)?;
        let path = self.directory.catalogue();
        let names = scan.names.into_iter().map(|(key, at)| (key, Some(at)));
        let catalogue = Catalogue::create(&path, &head, names, &identity)
            .map_err(|source| OpenError::Io { path, source })?;
        let Self { sled, secret_files, sealing, .. } = self;
        let loss_accepted = true;
        Ok(Opened { sled, identity, head, catalogue, secret_files, sealing, loss_accepted })
    }

    /// Makes the files those of the records that are there.
    fn renew_secret_files(&self, scan: &Scan) -> Result<(), OpenError> {
        self.write_secret_files(scan)?;
        let (files, _) = self.read_secret_files()?;
        let gone = files.keys().filter(|key| !scan.secrets.contains_key(*key));
        let removals: Vec<_> = gone
            .filter_map(|key| {
                let (collection, id) = record_of(key)?;
                Some(SecretChange { collection, id: id.to_owned(), envelope: None })
            })
            .collect();
        let path = self.directory.secrets();
        self.secret_files.apply(&removals).map_err(|source| OpenError::Io { path, source })
    }

    fn write_secret_files(&self, scan: &Scan) -> Result<(), OpenError> {
        let changes: Vec<_> = scan
            .secrets
            .iter()
            .filter_map(|(key, bytes)| {
                let (collection, id) = record_of(key)?;
                let envelope = Some(bytes.clone());
                Some(SecretChange { collection, id: id.to_owned(), envelope })
            })
            .collect();
        let path = self.directory.secrets();
        self.secret_files.apply(&changes).map_err(|source| OpenError::Io { path, source })
    }
}

/// Whether sled holds exactly the one batch more that the catalogue was about to name.
fn is_one_ahead(scan: &Scan, reading: Option<&Reading>) -> bool {
    let heads = scan.head.zip(reading.map(|reading| reading.head));
    heads.is_some_and(|(head, named)| {
        head.generation > named.generation && head.previous == named.generation
    })
}

/// sled's head, sled's records and the catalogue against each other.
fn judge_heads(scan: &Scan, head: &Head, reading: &Reading, findings: &mut Findings) {
    let catalogued = reading.head.generation;
    if (scan.computed.count, scan.computed.hash) != (head.count, head.hash) {
        findings.add(|| "the records are not the ones that were written".to_owned());
    }
    if head.generation == catalogued {
        compare(&scan.names, &reading.names, findings);
    } else if head.generation < catalogued {
        findings.add(|| {
            format!(
                "generation {} was acknowledged, and only {} is there",
                catalogued, head.generation
            )
        });
        compare(&scan.names, &reading.names, findings);
    } else if head.previous != catalogued {
        findings.add(|| {
            format!(
                "CATALOGUE ends at generation {catalogued}, the records are at {}: it is older or \
                 damaged",
                head.generation
            )
        });
    }
}

/// Names every record that is not as the catalogue says.
fn compare(found: &Names, wanted: &Names, findings: &mut Findings) {
    for (key, revision) in wanted {
        match found.get(key) {
            None => findings.add(|| format!("{} is missing", shown(key))),
            Some(at) if at != revision => {
                findings.add(|| format!("{} is of generation {at}, not {revision}", shown(key)));
            }
            Some(_) => {}
        }
    }
    for key in found.keys().filter(|key| !wanted.contains_key(*key)) {
        findings.add(|| format!("{} should not be there", shown(key)));
    }
}
