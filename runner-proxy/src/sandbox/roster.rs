//! The sandboxes that are attached, as they stand on disk.
//!
//! One file, `roster.json`, mode 0600, replaced whole and durably: a secret is on disk exactly as
//! long as its sandbox is attached, so no restart brings back the secret of one that was detached.
//! A roster that cannot be read is refused, not replaced by an empty one. What a newer proxy wrote beside what is
//! known here is passed over, so that going back to this one loses nobody.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use moneyer_daemon::file::{self, ReadSecretError};
use moneyer_identity::{ProfileName, SandboxId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secret::SandboxSecret;
use crate::coordinator::Occupant;

/// Largest roster read: a hundred thousand sandboxes, far more than a host runs.
const MAXIMUM_ROSTER_BYTES: usize = 16 * 1024 * 1024;

/// Why the roster could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// It could not be read.
    #[error("cannot read the roster of attached sandboxes")]
    Read(#[source] ReadSecretError),
    /// What is in it is no roster.
    #[error("{path} is damaged; move it away to start without attached sandboxes")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The task that writes it was cut off.
    #[error("writing the roster was cut off")]
    CutOff,
}

/// Which audience profiles a sandbox has token files for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum ProfileChoice {
    /// These.
    Named(Vec<ProfileName>),
    /// All that the coordinator names, as it names them.
    All(()),
}

/// One attached sandbox.
#[derive(Debug, Clone)]
pub(crate) struct RosterEntry {
    pub(crate) secret: SandboxSecret,
    pub(crate) profiles: ProfileChoice,
    /// Who its id stands for.
    pub(crate) occupant: Occupant,
}

impl RosterEntry {
    /// Whether the id stands for another sandbox, as the coordinator now says.
    pub(crate) fn is_replaced_by(&self, now: &Occupant) -> bool {
        self.occupant.is_another_than(now)
    }
}

/// The roster.
#[derive(Debug, Clone)]
pub(crate) struct Roster {
    path: PathBuf,
    pub(crate) entries: BTreeMap<SandboxId, RosterEntry>,
}

#[derive(Deserialize)]
struct Stored {
    sandboxes: BTreeMap<SandboxId, StoredEntry>,
}

#[derive(Deserialize)]
struct StoredEntry {
    secret: SandboxSecret,
    profiles: ProfileChoice,
    #[serde(flatten)]
    occupant: Occupant,
}

#[derive(Serialize)]
struct Storing<'a> {
    sandboxes: BTreeMap<&'a SandboxId, StoringEntry<'a>>,
}

#[derive(Serialize)]
struct StoringEntry<'a> {
    secret: &'a str,
    profiles: &'a ProfileChoice,
    #[serde(flatten)]
    occupant: &'a Occupant,
}

impl Roster {
    /// Reads the roster at `path`; none there is an empty one.
    pub(crate) fn read(path: &Path) -> Result<Self, RosterError> {
        let path = path.to_owned();
        let length = std::fs::symlink_metadata(&path).map_or(0, |found| found.len());
        let limit = usize::try_from(length).unwrap_or(usize::MAX).min(MAXIMUM_ROSTER_BYTES);
        let bytes = match file::read_secret(&path, limit) {
            Ok(bytes) => bytes,
            Err(ReadSecretError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(Self { path, entries: BTreeMap::new() });
            }
            Err(error) => return Err(RosterError::Read(error)),
        };
        let stored: Stored = serde_json::from_slice(bytes.expose())
            .map_err(|source| RosterError::Parse { path: path.clone(), source })?;
        let entry = |StoredEntry { secret, profiles, occupant }: StoredEntry| RosterEntry {
            secret,
            profiles,
            occupant,
        };
        let entries = stored.sandboxes.into_iter().map(|(id, stored)| (id, entry(stored)));
        Ok(Self { path, entries: entries.collect() })
    }

    /// Puts the roster on disk; it is there, and survives a power cut, when this returns.
    pub(crate) async fn write(&self) -> Result<(), RosterError> {
        let (path, bytes) = (self.path.clone(), self.render()?);
        tokio::task::spawn_blocking(move || {
            file::write_atomic(&path, &bytes, 0o600)
                .map_err(|source| RosterError::Write { path, source })
        })
        .await
        .map_err(|_cut_off| RosterError::CutOff)?
    }

    /// Undoes a change of one entry that could not be written.
    pub(crate) fn put_back(&mut self, sandbox: &SandboxId, before: Option<RosterEntry>) {
        match before {
            Some(entry) => self.entries.insert(sandbox.clone(), entry),
            None => self.entries.remove(sandbox),
        };
    }

    fn render(&self) -> Result<Zeroizing<Vec<u8>>, RosterError> {
        let storing = Storing {
            sandboxes: (self.entries.iter())
                .map(|(id, entry)| {
                    let secret = entry.secret.expose();
                    let RosterEntry { profiles, occupant, .. } = entry;
                    (id, StoringEntry { secret, profiles, occupant })
                })
                .collect(),
        };
        // Counted first and reserved once: a vector that grows leaves unwiped copies behind.
        let failed = |source: serde_json::Error| RosterError::Write {
            path: self.path.clone(),
            source: io::Error::other(source),
        };
        let mut counted = Counted(0);
        serde_json::to_writer(&mut counted, &storing).map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(counted.0));
        serde_json::to_writer(&mut *bytes, &storing).map_err(failed)?;
        Ok(bytes)
    }
}

/// Counts what is written to it.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::os::unix::fs::PermissionsExt as _;

    use moneyer_identity::AppUid;

    use super::*;

    #[tokio::test]
    async fn comes_back_as_it_was_and_only_for_its_owner() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("roster.json");
        let mut roster = Roster::read(&path).unwrap();
        assert!(roster.entries.is_empty());
        let secret = SandboxSecret::random().unwrap();
        let named = ProfileChoice::Named(vec![ProfileName::parse("aws").unwrap()]);
        let occupant = Occupant {
            app_uid: Some(AppUid::parse(&"a".repeat(32)).unwrap()),
            placement: NonZeroU64::new(u64::MAX),
            ..Occupant::of_app("web")
        };
        for (id, profiles) in [("a", ProfileChoice::All(())), ("b", named)] {
            let entry =
                RosterEntry { secret: secret.clone(), profiles, occupant: occupant.clone() };
            roster.entries.insert(SandboxId::parse(id).unwrap(), entry);
        }
        roster.write().await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Roster::read(&path).unwrap();
        assert_eq!(again.entries.len(), 2);
        for (id, entry) in &again.entries {
            assert!(entry.secret.is(secret.expose().as_bytes()));
            assert_eq!(entry.profiles, roster.entries[id].profiles);
            assert_eq!(entry.occupant, occupant);
            assert!(entry.is_replaced_by(&Occupant::of_app("api")));
        }
        assert!(!format!("{again:?}").contains(secret.expose()));
    }

    #[test]
    fn what_another_version_wrote_is_read() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("roster.json");
        let secret = SandboxSecret::random().unwrap();
        for more in ["", r#","later":{"a":[1]}"#] {
            let secret = secret.expose();
            let entry = format!(r#"{{"secret":"{secret}","profiles":null,"app":"web"{more}}}"#);
            let text = format!(r#"{{"sandboxes":{{"a":{entry}}}{more}}}"#);
            file::write_atomic(&path, text.as_bytes(), 0o600).unwrap();
            let read = Roster::read(&path).unwrap();
            let entry = read.entries.values().next().unwrap();
            assert!(entry.secret.is(secret.as_bytes()));
            assert_eq!(entry.occupant, Occupant::of_app("web"));
        }
    }

    #[test]
    fn a_damaged_or_open_roster_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("roster.json");
        for text in [
            "",
            "{",
            "[]",
            r#"{"sandboxes":{"a:b":{}}}"#,
            r#"{"sandboxes":{"a":{"secret":"x","profiles":null}}}"#,
        ] {
            file::write_atomic(&path, text.as_bytes(), 0o600).unwrap();
            let error = Roster::read(&path).unwrap_err();
            assert!(matches!(error, RosterError::Parse { .. }), "{text}: {error}");
        }
        file::write_atomic(&path, br#"{"sandboxes":{}}"#, 0o644).unwrap();
        assert!(matches!(Roster::read(&path), Err(RosterError::Read(_))));
    }

    #[test]
    fn a_roster_has_16_mib_at_most() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("roster.json");
        let end = br#"{"sandboxes":{}}"#;
        let mut bytes = vec![b' '; MAXIMUM_ROSTER_BYTES - end.len()];
        bytes.extend_from_slice(end);
        file::write_atomic(&path, &bytes, 0o600).unwrap();
        assert!(Roster::read(&path).unwrap().entries.is_empty());
        bytes.insert(0, b' ');
        file::write_atomic(&path, &bytes, 0o600).unwrap();
        let error = Roster::read(&path).unwrap_err();
        assert!(crate::chain(&error).contains("is larger than"), "{error}");
    }
}
