//! Why a directory is not adopted.

use std::io;
use std::path::PathBuf;

use moneyer_daemon::file::ReadSecretError;
use moneyer_identity::{ErrorClass, IssuerUrl, KeyId, KeySetError};
use moneyer_signer::import::ImportError;

use crate::adoption::adopted::Skipped;
use crate::adoption::recorded::RecordError;

/// Why a directory is not adopted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// The directory or an entry of it cannot be looked at.
    #[error("cannot look at {path}")]
    Look {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path is a file or a symbolic link.
    #[error("{path} is not a directory; name the server/ directory itself, not a link to it")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Others than the owner may enter the directory.
    #[error("{path} is open to others (mode {mode:04o}); run: chmod 700 {path}")]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Someone else could have put the file there.
    #[error(
        "{path} belongs to user {owner} and not to user {expected}; find out who wrote it, then run: \
         chown {expected} {path}"
    )]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it has to be.
        expected: u32,
    },
    /// There is no key that signs.
    #[error("there is no {path}; name the server/ directory of the cluster to adopt")]
    NoPrimary {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file cannot be read, or is not safe to read.
    #[error(transparent)]
    Read(ReadSecretError),
    /// A file is not taken as a key.
    #[error("{path} is not taken as a key")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: ImportError,
    },
    /// More live keys than a key set has room for.
    #[error("{path} holds more than 16 files, more than a key set has room for; remove old ones")]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// Some live keys cannot be adopted. Each is named with its reason.
    #[error(
        "tokens of these live keys would fail: {}; mend the files, or leave them out with --skip-unreadable",
        names(.0)
    )]
    Unreadable(Vec<Skipped>),
    /// The records say that tokens name another issuer than the configured one.
    #[error(
        "tokens of this cluster name {recorded}, and issuer.url is {configured}: set issuer.url to \
         {recorded} and move later (`moneyer issuer move`), or order the change with --issuer {configured}"
    )]
    OtherIssuer {
        /// What the records say.
        recorded: IssuerUrl,
        /// What the configuration says.
        configured: IssuerUrl,
    },
    /// The saved key set cannot be read.
    #[error("the key set {path} cannot be read")]
    ReadKeySet {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The saved key set is none.
    #[error("{path} is not the key set of an issuer")]
    KeySet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: KeySetError,
    },
    /// The saved key set gives a key two ids.
    #[error("{path} names one key {first} and {second}; leave in it the one that tokens name")]
    TwoKeyIds {
        /// The file.
        path: PathBuf,
        /// One id.
        first: KeyId,
        /// The other.
        second: KeyId,
    },
    /// A key is not in the saved key set.
    #[error(
        "the key of {path} (thumbprint {thumbprint}) is not in the key set {key_set}, so what its tokens \
         name is not known; save the key set anew, or move the file away if the key was never published"
    )]
    NotInKeySet {
        /// The file of the key.
        path: PathBuf,
        /// The key.
        thumbprint: KeyId,
        /// The file of the key set.
        key_set: PathBuf,
    },
    /// The record of an issuer cannot be understood.
    #[error("{path} does not say which issuer it records")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: RecordError,
    },
}

impl AdoptionError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Look { .. } | Self::ReadKeySet { .. } => ErrorClass::Unavailable,
            Self::OtherIssuer { .. } => ErrorClass::Conflict,
            Self::NotADirectory { .. }
            | Self::OpenToOthers { .. }
            | Self::Owner { .. }
            | Self::NoPrimary { .. }
            | Self::Read(_)
            | Self::Key { .. }
            | Self::TooMany { .. }
            | Self::Unreadable(_)
            | Self::KeySet { .. }
            | Self::TwoKeyIds { .. }
            | Self::NotInKeySet { .. }
            | Self::Record { .. } => ErrorClass::Invalid,
        }
    }
}

fn names(skipped: &[Skipped]) -> String {
    let names: Vec<_> = skipped.iter().map(|one| one.file.display().to_string()).collect();
    names.join(", ")
}
