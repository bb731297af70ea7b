//! A certificate from two files, read again when they change.
//!
//! Whoever renews it writes two files, one after the other, and may be cut off: what does not fit together
//! leaves the certificate that serves in its place, is told once, and is tried again until it does.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_daemon::tls::{FileStamps, ServerTls, TlsFiles, TlsIdentity};

use super::PublicTlsError;
use super::certificate::{PublicCertificate, Standing};
use crate::config::Config;

/// How often it is looked whether the files have changed: two calls of stat.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The public listener's certificate where it comes from files.
#[derive(Debug)]
pub(crate) struct FromFiles {
    files: TlsFiles,
    /// The issuer's host, which relying parties connect to.
    host: String,
    /// What the files were when they were last read.
    tried: FileStamps,
    /// What was wrong then, and was told.
    failing: Option<String>,
    told: Standing,
    tls: ServerTls,
    certificate: PublicCertificate,
}

impl FromFiles {
    /// Reads what the configuration names; `None` if it names nothing.
    pub(crate) fn open(config: &Config) -> Result<Option<Self>, PublicTlsError> {
        let Some(files) = config.listen.public_tls.files() else { return Ok(None) };
        let tried = files.stamps();
        let identity = files.read().map_err(|source| {
            let setting = if source.is_of_key() {
                "listen.public_tls.key"
            } else {
                "listen.public_tls.certificate"
            };
            PublicTlsError::Files { setting, source }
        })?;
        let tls = ServerTls::server_only(&identity).map_err(PublicTlsError::Tls)?;
        let opened = Self {
            files,
            host: config.issuer.url.host().to_owned(),
            tried,
            failing: None,
            told: Standing::Good,
            tls,
            certificate: PublicCertificate::default(),
        };
        opened.note(&identity);
        Ok(Some(opened))
    }

    /// What the listener serves with.
    pub(crate) fn tls(&self) -> &ServerTls {
        &self.tls
    }

    /// What is told of it.
    pub(crate) fn certificate(&self) -> &PublicCertificate {
        &self.certificate
    }

    /// Looks for changes, for ever.
    pub(crate) async fn follow(mut self, authority: Authority) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        loop {
            every.tick().await;
            self.look().await;
            self.certificate.tell(&mut self.told, authority.now());
        }
    }

    async fn look(&mut self) {
        let files = self.files.clone();
        let (tried, failed) = (self.tried.clone(), self.failing.is_some());
        let read = move || {
            // Before they are read: a change after that is seen by the next look.
            let stamps = files.stamps();
            (stamps != tried || failed).then(|| (stamps, files.read()))
        };
        let Ok(Some((stamps, read))) = tokio::task::spawn_blocking(read).await else { return };
        self.tried = stamps;
        let taken = read.map_err(|error| crate::chain(&error)).and_then(|identity| {
            let fresh = ServerTls::server_only(&identity);
            self.tls.replace(&fresh.map_err(|error| crate::chain(&error))?);
            Ok(identity)
        });
        match taken {
            Ok(identity) => {
                self.failing = None;
                self.note(&identity);
                tracing::info!(
                    certificate.not_after = self.certificate.not_after().map_or(0, |time| time.0),
                    "the public listener's certificate was read anew"
                );
            }
            Err(cause) if self.failing.as_ref() != Some(&cause) => {
                tracing::error!(
                    error.cause = cause,
                    "the public listener's new certificate cannot be used; the one before serves on"
                );
                self.failing = Some(cause);
            }
            Err(_) => {}
        }
    }

    /// Says what serves now.
    fn note(&self, identity: &TlsIdentity) {
        self.certificate.set(identity.validity());
        if !identity.is_for(&self.host) {
            tracing::warn!(
                issuer.host = self.host,
                "the public listener's certificate is not for the issuer's host; whoever connects here \
                 by that name refuses it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use moneyer_daemon::settings::Source;
    use moneyer_identity::UnixTime;
    use moneyer_testkit::TestCa;

    use super::*;

    /// A pair for the issuer's host that ends at this time.
    fn pair(ends: i64) -> (String, String) {
        TestCa::default().server_files("id.example.com", (UnixTime(0), UnixTime(ends)))
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn config(certificate: &Path, key: &Path) -> Config {
        let text = format!(
            "issuer.url = 'https://id.example.com'\n\
             listen.public_tls = {{ certificate = '{}', key = '{}' }}",
            certificate.display(),
            key.display()
        );
        Config::load(&Source::from_parts("moneyer.toml", &text, "MONEYER", &[])).unwrap().0
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_once_and_tried_until_it_fits() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("crt"), directory.path().join("key"));
        let (first, second) = (pair(1000), pair(2000));
        write(&certificate, &first.0);
        write(&key, &first.1);
        let mut served = FromFiles::open(&config(&certificate, &key)).unwrap().unwrap();
        let ends = |served: &FromFiles| served.certificate().not_after().unwrap().0;
        served.look().await;
        assert_eq!((ends(&served), &served.failing), (1000, &None));

        write(&certificate, &second.0);
        served.look().await;
        let told = served.failing.clone().unwrap();
        assert!(told.contains("is not that of the first certificate"), "{told}");
        served.look().await;
        assert_eq!((ends(&served), &served.failing), (1000, &Some(told)));

        write(&key, &second.1);
        served.look().await;
        assert_eq!((ends(&served), &served.failing), (2000, &None));

        for (path, text) in [(&certificate, ""), (&key, "nothing")] {
            let before = std::fs::read_to_string(path).unwrap();
            write(path, text);
            served.look().await;
            assert!(served.failing.is_some());
            std::fs::remove_file(path).unwrap();
            served.look().await;
            assert!(served.failing.is_some());
            write(path, &before);
            served.look().await;
            assert_eq!((ends(&served), &served.failing), (2000, &None));
        }
    }

    #[test]
    fn a_start_without_a_pair_names_the_setting() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("crt"), directory.path().join("key"));
        let refused = || crate::chain(&FromFiles::open(&config(&certificate, &key)).unwrap_err());
        assert!(refused().starts_with("listen.public_tls.certificate: cannot read "));
        let good = pair(1000);
        write(&certificate, &good.0);
        assert!(refused().starts_with("listen.public_tls.key: cannot read "), "{}", refused());
        write(&key, &pair(1000).1);
        assert!(refused().starts_with("listen.public_tls.key: the key in "));
        write(&key, &good.1);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o604)).unwrap();
        assert!(refused().ends_with(&format!("run: chmod 600 {}", key.display())));
    }
}
