//! The `server/` directory of the original system.
//!
//! Only root and the user who adopts it can have put anything there: what belongs to somebody else, is open
//! to others or is a link is refused, since a key could be another's.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use moneyer_daemon::file::{SecretBytes, read_secret};
use moneyer_identity::{IssuerUrl, KeyId};
use moneyer_signer::import::{ImportedKey, ImportedPublicKey, MAXIMUM_KEY_FILE_BYTES};

use crate::adoption::adopted::{Adopted, AdoptedKey, KeyFile, Skipped};
use crate::adoption::error::AdoptionError;
use crate::adoption::recorded::{RecordedIssuer, parse};
use crate::adoption::saved_key_set::SavedKeySet;

/// Most files of live keys: a schedule leaves up to 80 of the 100 keys in a set, and these come beside
/// the primary and the previous ones.
const MAXIMUM_LIVE_FILES: usize = 16;

/// Largest record of issuers: fifty of the longest URLs.
const MAXIMUM_ISSUER_RECORD_BYTES: usize = 16 * 1024;

const PRIMARY: &str = "workload-identity.key";
const LIVE: &str = "workload-identity.d";
const PREVIOUS: [&str; 2] = ["workload-identity.key.prev", "workload-identity.prev"];
const ISSUERS: [&str; 2] = ["workload-identity.anchor", "workload-identity.issuer"];

/// How an operator wants a directory to be adopted.
#[derive(Debug, Clone, Default)]
pub struct AdoptionTerms {
    /// The issuer that tokens will name: the records name it too, and it is no previous one.
    pub issuer: Option<IssuerUrl>,
    /// Whether it may be another one than the records say was the last.
    pub issuer_changes: bool,
    /// The key set that the old issuer published, for the key ids that its tokens name.
    pub key_set: Option<SavedKeySet>,
    /// Previous issuers that no file records.
    pub previous_issuers: Vec<IssuerUrl>,
    /// Whether live keys that cannot be adopted are left out. Living tokens under them will fail.
    pub skip_unreadable: bool,
}

/// A `server/` directory of the original system.
#[derive(Debug, Clone)]
pub struct LegacyServerDirectory {
    path: PathBuf,
}

impl LegacyServerDirectory {
    /// The directory at this path. Nothing is looked at yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads everything there is to adopt.
    pub fn read(&self, terms: &AdoptionTerms) -> Result<Adopted, AdoptionError> {
        let files = Files { user: rustix::process::geteuid().as_raw() };
        files.check_directory(&self.path)?;
        let path = self.path.join(PRIMARY);
        let primary = files.optional::<ImportedKey>(&path)?;
        let primary = primary.ok_or(AdoptionError::NoPrimary { path })?;
        let mut seen = HashSet::from([primary.key.key_id().clone()]);
        let (mut live, skipped) = self.live(&files)?;
        if !skipped.is_empty() && !terms.skip_unreadable {
            return Err(AdoptionError::Unreadable(skipped));
        }
        live.retain(|found| seen.insert(found.key.key_id().clone()));
        let previous = self.previous(&files, &mut seen)?;
        let previous_issuers = self.issuers(&files, terms)?;
        let mut adopted = Adopted { primary, live, previous, previous_issuers, skipped };
        if let Some(key_set) = &terms.key_set {
            key_set.name(&mut adopted)?;
        }
        Ok(adopted)
    }

    fn live(
        &self,
        files: &Files,
    ) -> Result<(Vec<AdoptedKey<ImportedKey>>, Vec<Skipped>), AdoptionError> {
        let path = self.path.join(LIVE);
        if metadata(&path)?.is_none() {
            return Ok((Vec::new(), Vec::new()));
        }
        files.check_directory(&path)?;
        let look = |source| AdoptionError::Look { path: path.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(look)? {
            names.push(entry.map_err(look)?.path());
            if names.len() > MAXIMUM_LIVE_FILES {
                return Err(AdoptionError::TooMany { path });
            }
        }
        // By name, so that each run gives the same order.
        names.sort();
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        for file in names {
            match files.key::<ImportedKey>(&file) {
                Ok(key) => found.push(key),
                Err(cause) => skipped.push(Skipped { file, cause }),
            }
        }
        Ok((found, skipped))
    }

    fn previous(
        &self,
        files: &Files,
        seen: &mut HashSet<KeyId>,
    ) -> Result<Vec<AdoptedKey<ImportedPublicKey>>, AdoptionError> {
        let mut previous = Vec::new();
        for name in PREVIOUS {
            let found = files.optional::<ImportedPublicKey>(&self.path.join(name))?;
            previous.extend(found.filter(|found| seen.insert(found.key.key_id().clone())));
        }
        Ok(previous)
    }

    fn issuers(
        &self,
        files: &Files,
        terms: &AdoptionTerms,
    ) -> Result<Vec<RecordedIssuer>, AdoptionError> {
        let mut recorded = Vec::new();
        for name in ISSUERS {
            let path = self.path.join(name);
            let Some(bytes) = files.read(&path, MAXIMUM_ISSUER_RECORD_BYTES)? else { continue };
            let issuers = parse(bytes.expose());
            recorded.extend(issuers.map_err(|cause| AdoptionError::Record { path, cause })?);
        }
        check_issuer(&recorded, terms)?;
        let named = terms.previous_issuers.iter().cloned();
        recorded.extend(named.map(|issuer| RecordedIssuer { issuer, left_at: None }));
        recorded.retain(|one| Some(&one.issuer) != terms.issuer.as_ref());
        Ok(latest_of_each(recorded))
    }
}

/// What is recorded without a time is what tokens named last: they go on naming it, unless the operator
/// orders otherwise.
fn check_issuer(recorded: &[RecordedIssuer], terms: &AdoptionTerms) -> Result<(), AdoptionError> {
    let Some(issuer) = terms.issuer.as_ref().filter(|_| !terms.issuer_changes) else {
        return Ok(());
    };
    let last = recorded.iter().find(|one| one.left_at.is_none());
    match last {
        Some(last) if !recorded.iter().any(|one| one.issuer == *issuer) => {
            let (recorded, configured) = (last.issuer.clone(), issuer.clone());
            Err(AdoptionError::OtherIssuer { recorded, configured })
        }
        _ => Ok(()),
    }
}

/// One entry for each issuer, the one that was left last: until then tokens may have named it.
fn latest_of_each(recorded: Vec<RecordedIssuer>) -> Vec<RecordedIssuer> {
    let mut kept: Vec<RecordedIssuer> = Vec::new();
    for one in recorded {
        match kept.iter_mut().find(|kept| kept.issuer == one.issuer) {
            // Without a time it is left now, which is later than any record.
            Some(before) => before.left_at = before.left_at.zip(one.left_at).map(|(a, b)| a.max(b)),
            None => kept.push(one),
        }
    }
    kept
}

/// Reads files for the user who adopts them.
struct Files {
    user: u32,
}

impl Files {
    /// The key of a file, if the file is there.
    fn optional<K: KeyFile>(&self, path: &Path) -> Result<Option<AdoptedKey<K>>, AdoptionError> {
        if metadata(path)?.is_none() {
            return Ok(None);
        }
        self.key(path).map(Some)
    }

    /// The key of a file.
    fn key<K: KeyFile>(&self, path: &Path) -> Result<AdoptedKey<K>, AdoptionError> {
        let bytes = self.read(path, MAXIMUM_KEY_FILE_BYTES)?;
        let parsed = K::parse(bytes.as_ref().map_or(&[], SecretBytes::expose));
        let key = parsed.map_err(|cause| AdoptionError::Key { path: path.to_owned(), cause })?;
        let key_id = key.public().thumbprint().clone();
        Ok(AdoptedKey { file: path.to_owned(), key_id, key })
    }

    /// The bytes of a file, if it is there, that nobody but root and this user can have written.
    fn read(&self, path: &Path, maximum: usize) -> Result<Option<SecretBytes>, AdoptionError> {
        let Some(found) = metadata(path)? else { return Ok(None) };
        self.check_owner(path, found.uid())?;
        read_secret(path, maximum).map(Some).map_err(AdoptionError::Read)
    }

    /// Refuses a directory that others may enter or that belongs to somebody else.
    fn check_directory(&self, path: &Path) -> Result<(), AdoptionError> {
        let look = |source| AdoptionError::Look { path: path.to_owned(), source };
        let found = fs::symlink_metadata(path).map_err(look)?;
        if !found.is_dir() {
            return Err(AdoptionError::NotADirectory { path: path.to_owned() });
        }
        let mode = found.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(AdoptionError::OpenToOthers { path: path.to_owned(), mode });
        }
        self.check_owner(path, found.uid())
    }

    fn check_owner(&self, path: &Path, owner: u32) -> Result<(), AdoptionError> {
        if owner == self.user || owner == 0 {
            return Ok(());
        }
        Err(AdoptionError::Owner { path: path.to_owned(), owner, expected: self.user })
    }
}

/// What is at a path, without following a link; `None` if nothing is.
fn metadata(path: &Path) -> Result<Option<Metadata>, AdoptionError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AdoptionError::Look { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::UnixTime;

    use super::*;

    #[test]
    fn case_170_a_file_is_the_users_or_roots() {
        let files = Files { user: 1000 };
        let path = Path::new("server/workload-identity.key");
        for owner in [0, 1000] {
            assert!(files.check_owner(path, owner).is_ok(), "{owner}");
        }
        let error = files.check_owner(path, 1001).unwrap_err().to_string();
        assert!(error.ends_with("run: chown 1000 server/workload-identity.key"), "{error}");
    }

    #[test]
    fn an_issuer_counts_until_it_was_last_left() {
        let at = |seconds: Option<i64>| RecordedIssuer {
            issuer: IssuerUrl::parse("https://a.example.com").unwrap(),
            left_at: seconds.map(UnixTime),
        };
        assert_eq!(latest_of_each(vec![at(Some(1)), at(Some(3)), at(Some(2))]), [at(Some(3))]);
        assert_eq!(latest_of_each(vec![at(Some(1)), at(None), at(Some(2))]), [at(None)]);
    }
}
