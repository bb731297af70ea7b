//! Why there is no key to seal with. Every refusal says what to do.

use std::path::{Path, PathBuf};

use moneyer_daemon::file::ReadSecretError;
use moneyer_store::has_recovery_copy;
use moneyer_store::seal::{SealError, ZeroKey};

use super::encrypted::AgeFileError;
use super::identities::IdentityFileError;

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealKeyError {
    /// Several sources are named.
    #[error(
        "more than one of seal.key_file, seal.credential and seal.age_file is set; keep the one that is \
         meant"
    )]
    Sources,
    /// Something is encrypted, and nothing is named that opens it.
    #[error(
        "an age file is named and seal.age_identity_file is not: it is the file with the \
         AGE-SECRET-KEY-1… line that opens it"
    )]
    NoIdentity,
    /// An identity is named that opens nothing.
    #[error("seal.age_identity_file is set and no age file is; name seal.age_file, or remove it")]
    IdleIdentity,
    /// A key is named and sealing is switched off.
    #[error(
        "seal.insecure_plain is set beside a key or a recovery recipient; remove it, and records are \
         sealed"
    )]
    Plain,
    /// A credential's name leads elsewhere.
    #[error("seal.credential: {0:?} is not the name of a credential")]
    CredentialName(String),
    /// The daemon was not started with credentials.
    #[error(
        "seal.credential is set, but CREDENTIALS_DIRECTORY is not: the unit needs \
         LoadCredentialEncrypted="
    )]
    NoCredentials,
    /// The file is not there.
    #[error(
        "there is no seal key at {path}; if no records were ever sealed, make one: \
         (umask 077; head -c 32 /dev/urandom > {path})\n\
         otherwise put the key back: without it the records cannot be opened{}",
        recovery_of(store)
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The directory of the store.
        store: PathBuf,
    },
    /// An age file or an identity is not there.
    #[error("there is no {what} at {path}; put it back{}", recovery_of(store))]
    MissingAge {
        /// What is not there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The directory of the store.
        store: PathBuf,
    },
    /// A file of identities holds something else.
    #[error("{path} cannot be used as a file of age identities: {source}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What was refused.
        source: IdentityFileError,
    },
    /// An age file does not open.
    #[error("{path} cannot be used as an age file")]
    Age {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: AgeFileError,
    },
    /// It was refused as a secret file.
    #[error(transparent)]
    Read(ReadSecretError),
    /// It belongs to somebody else.
    #[error("{path} belongs to user {uid}; it must belong to root or to the daemon's user")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        uid: u32,
    },
    /// Somebody else could put another file in its place.
    #[error("{0} lies in a directory that everybody may write to; move it to one of its own")]
    Directory(PathBuf),
    /// It lies beside what it protects.
    #[error("{path} lies in {directory}, which it protects; move it out, also out of its backups")]
    Inside {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// It does not hold 32 bytes in one of three forms.
    #[error("{0} does not hold 32 bytes, neither raw nor as 64 hexadecimal digits nor in base64")]
    Form(PathBuf),
    /// It holds zeros.
    #[error("{path}: {source}")]
    Zero {
        /// The file.
        path: PathBuf,
        /// What was refused.
        source: ZeroKey,
    },
    /// Two keys are one and the same.
    #[error(transparent)]
    Keys(SealError),
}

/// What else there is, if there is a recovery copy.
fn recovery_of(store: &Path) -> &'static str {
    if has_recovery_copy(store) {
        "\nif it is lost, the recovery copy has it: `moneyer store recover --identity FILE`"
    } else {
        ""
    }
}
