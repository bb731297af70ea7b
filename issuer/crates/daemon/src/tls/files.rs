//! A certificate chain and its private key in two PEM files (RFC 7468), as ACME clients and Kubernetes hand
//! them out.
//!
//! What is given out is a pair that belongs together, or an error that says which file is wrong and why: a
//! file that is half written, a chain without a certificate, a key of another certificate, an encrypted
//! one. A link is followed, since both hand out the next pair by moving one; what it leads to may be
//! readable to the owner and the group, no further.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsIdentity;
use crate::file::{ReadSecretError, SecretBytes, read_group_secret};

/// Longest file of certificates: twenty of RSA-4096, four times what any authority hands out.
const MAXIMUM_CHAIN_BYTES: usize = 64 * 1024;

/// Longest file of a key: RSA-16384 in PEM takes 13 KiB.
const MAXIMUM_KEY_BYTES: usize = 16 * 1024;

/// Where a certificate chain and its key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificates, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// Which files stood at the two paths: another stamp, another file or other contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamps([Option<Stamp>; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    /// Set by the kernel alone, so that a file put back with its old time is noticed too.
    changed: (i64, i64),
}

/// Why there is no pair to be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFilesError {
    /// The certificates could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{path} is larger than {maximum} bytes; it is probably the wrong file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes allowed.
        maximum: usize,
    },
    /// There is no certificate in the file.
    #[error(
        "{path} holds no certificate; it must hold PEM: the certificate first, then who signed it"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// What should be a certificate is none.
    #[error("{path} holds a certificate that is cut off or no PEM")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: pem::Error,
    },
    /// The key could not be read, or others can read it.
    #[error(transparent)]
    KeyFile(ReadSecretError),
    /// The key asks for a passphrase.
    #[error(
        "{path} is encrypted, and nobody is there to say its passphrase; write it out in the open \
         (openssl pkey -in {path} -out KEY) and close it to others (chmod 600 KEY)"
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// There is no key in the file.
    #[error("{path} holds no private key in PEM, or one that is cut off")]
    Key {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: pem::Error,
    },
    /// The key is another certificate's.
    #[error("the key in {key} is not that of the first certificate in {certificate}")]
    OtherKey {
        /// The file with the certificates.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The pair is of a kind that TLS cannot use.
    #[error("the certificate in {path} cannot be used with its key")]
    Unusable {
        /// The file with the certificates.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: super::TlsError,
    },
}

impl TlsFilesError {
    /// Whether the file with the key is what to look at.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::KeyFile(_) | Self::Encrypted { .. } | Self::Key { .. } | Self::OtherKey { .. }
        )
    }
}

impl TlsFiles {
    /// What stands at the two paths now, links followed.
    #[must_use]
    pub fn stamps(&self) -> FileStamps {
        FileStamps([&self.certificate, &self.key].map(|path| {
            let found = std::fs::metadata(path).ok()?;
            Some(Stamp {
                file: (found.dev(), found.ino()),
                bytes: found.len(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            })
        }))
    }

    /// Reads the pair.
    ///
    /// # Errors
    /// See [`TlsFilesError`].
    pub fn read(&self) -> Result<TlsIdentity, TlsFilesError> {
        let chain = chain(&self.certificate)?;
        let identity = TlsIdentity::with_key(chain, key(&self.key)?);
        match identity.certified() {
            Ok(_) => Ok(identity),
            Err(super::TlsError::Identity(rustls::Error::InconsistentKeys(_))) => {
                let (certificate, key) = (self.certificate.clone(), self.key.clone());
                Err(TlsFilesError::OtherKey { certificate, key })
            }
            Err(source) => Err(TlsFilesError::Unusable { path: self.certificate.clone(), source }),
        }
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let bytes = read_public(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain =
        chain.map_err(|source| TlsFilesError::Certificate { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(TlsFilesError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

fn read_public(path: &Path) -> Result<Vec<u8>, TlsFilesError> {
    let failed = |source| TlsFilesError::Read { path: path.to_owned(), source };
    // NONBLOCK: opening a FIFO without a writer must not hang.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let limit = u64::try_from(MAXIMUM_CHAIN_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAXIMUM_CHAIN_BYTES {
        return Err(TlsFilesError::TooLarge {
            path: path.to_owned(),
            maximum: MAXIMUM_CHAIN_BYTES,
        });
    }
    Ok(bytes)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFilesError> {
    let missing = |source| ReadSecretError::Read { path: path.to_owned(), source };
    let real = std::fs::canonicalize(path).map_err(missing).map_err(TlsFilesError::KeyFile)?;
    let bytes = read_group_secret(&real, MAXIMUM_KEY_BYTES).map_err(TlsFilesError::KeyFile)?;
    if is_encrypted(&bytes) {
        return Err(TlsFilesError::Encrypted { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(bytes.expose())
        .map_err(|source| TlsFilesError::Key { path: path.to_owned(), source })
}

/// PKCS#8 says so in its label, and OpenSSL's older forms in a header (RFC 1421 section 4.6.1.1).
fn is_encrypted(bytes: &SecretBytes) -> bool {
    let holds = |word: &[u8]| bytes.expose().windows(word.len()).any(|window| window == word);
    holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(b"Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use moneyer_identity::UnixTime;
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    /// A pair of files and what is in them.
    struct Pair {
        directory: TempDir,
        files: TlsFiles,
        certificate: String,
        key: String,
    }

    impl Pair {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["id.example.com".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap().pem();
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            let files = TlsFiles { certificate: at("tls.crt"), key: at("tls.key") };
            let pair = Self { files, directory, certificate, key: key.serialize_pem() };
            pair.write(&pair.certificate, &pair.key);
            pair
        }

        fn write(&self, certificate: &str, key: &str) {
            fs::write(&self.files.certificate, certificate).unwrap();
            fs::write(&self.files.key, key).unwrap();
            self.mode(0o600);
        }

        fn mode(&self, mode: u32) {
            fs::set_permissions(&self.files.key, Permissions::from_mode(mode)).unwrap();
        }

        fn refusal(&self) -> String {
            self.files.read().unwrap_err().to_string()
        }
    }

    #[test]
    fn a_pair_is_read_and_says_for_whom_it_is() {
        let pair = Pair::new();
        for mode in [0o600, 0o400, 0o640] {
            pair.mode(mode);
            let identity = pair.files.read().unwrap();
            assert!(identity.is_for("id.example.com") && !identity.is_for("example.com"));
            assert!(!identity.is_for(""));
            assert!(identity.validity().unwrap().not_after > UnixTime(1_800_000_000));
        }
    }

    #[test]
    fn keys_of_every_usual_form_are_taken() {
        let pair = Pair::new();
        for (pkcs8, key) in [
            (
                include_str!("../../../testkit/fixtures/rsa-2048-a.pem"),
                include_str!("../../../testkit/fixtures/rsa-2048-a.pkcs1.pem"),
            ),
            (
                include_str!("../../../testkit/fixtures/ec-p256-a.pem"),
                include_str!("../../../testkit/fixtures/import/good/ec-p256-a.sec1.pem"),
            ),
        ] {
            let params = CertificateParams::new(vec!["id.example.com".to_owned()]).unwrap();
            let certified = params.self_signed(&KeyPair::from_pem(pkcs8).unwrap()).unwrap().pem();
            for key in [pkcs8, key] {
                pair.write(&certified, key);
                pair.files.read().unwrap();
            }
        }
    }

    #[test]
    fn what_is_no_pair_is_refused_with_the_file_to_look_at() {
        let (pair, other) = (Pair::new(), Pair::new());
        let half = |text: &str| text.split_at(text.len() / 2).0.to_owned();
        let (certificate, key) = (&pair.certificate, &pair.key);
        let older =
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n";
        for (certificate, key, expected, is_of_key) in [
            ("", &**key, "holds no certificate;", false),
            (key, key, "holds no certificate;", false),
            (&half(certificate), key, "cut off or no PEM", false),
            (certificate, "", "holds no private key", true),
            (certificate, certificate, "holds no private key", true),
            (certificate, &half(key), "holds no private key", true),
            (certificate, older, "is encrypted", true),
            (certificate, encrypted, "is encrypted", true),
            (certificate, &*other.key, "is not that of the first certificate", true),
        ] {
            pair.write(certificate, key);
            let error = pair.files.read().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.is_of_key(), is_of_key, "{error}");
        }
    }

    #[test]
    fn a_key_that_is_open_to_others_is_refused_behind_a_link_too() {
        let pair = Pair::new();
        let link = pair.directory.path().join("link.key");
        symlink(&pair.files.key, &link).unwrap();
        let files = TlsFiles { key: link, ..pair.files.clone() };
        files.read().unwrap();
        for mode in [0o644, 0o604, 0o660] {
            pair.mode(mode);
            assert!(pair.refusal().contains("run: chmod 600"), "{}", pair.refusal());
            assert!(matches!(files.read(), Err(TlsFilesError::KeyFile(_))));
        }
        fs::remove_file(&pair.files.key).unwrap();
        assert!(matches!(files.read(), Err(TlsFilesError::KeyFile(ReadSecretError::Read { .. }))));
        fs::remove_file(&pair.files.certificate).unwrap();
        assert!(matches!(files.read(), Err(TlsFilesError::Read { .. })));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_one_byte_more() {
        let pair = Pair::new();
        let padded = |text: &str, bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
        let certificate = padded(&pair.certificate, MAXIMUM_CHAIN_BYTES);
        let key = padded(&pair.key, MAXIMUM_KEY_BYTES);
        pair.write(&certificate, &key);
        pair.files.read().unwrap();
        pair.write(&format!("{certificate} "), &key);
        assert!(matches!(pair.files.read(), Err(TlsFilesError::TooLarge { .. })));
        pair.write(&certificate, &format!("{key} "));
        let refused = pair.files.read();
        assert!(matches!(refused, Err(TlsFilesError::KeyFile(ReadSecretError::TooLarge { .. }))));
    }

    #[test]
    fn whatever_changes_at_the_paths_changes_the_stamps() {
        let pair = Pair::new();
        let mut seen = vec![pair.files.stamps()];
        let mut look = || {
            let stamps = pair.files.stamps();
            assert!(!seen.contains(&stamps), "{stamps:?}");
            seen.push(stamps);
        };
        fs::write(&pair.files.certificate, "longer").unwrap();
        look();
        let next = pair.directory.path().join("next");
        fs::write(&next, &pair.key).unwrap();
        fs::rename(&next, &pair.files.key).unwrap();
        look();
        fs::remove_file(&pair.files.key).unwrap();
        look();
        assert_eq!(pair.files.stamps(), pair.files.stamps());
    }
}
