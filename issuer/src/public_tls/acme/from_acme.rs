//! The public listener's certificate where an ACME server issues it: what is kept, and the loop that looks
//! whether another is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::public_certificate::{IssuedCertificate, PublicCertificateRecord};
use moneyer_authority::store::{Change, Expected, Generation, Store, StoreError, load_records};
use moneyer_daemon::backoff::jitter;
use moneyer_daemon::tls::{ServerTls, TlsError, TlsIdentity};
use moneyer_identity::UnixTime;

use super::error::AcmeError;
use super::order::LONGEST;
use super::schedule;
use super::transport::Transport;
use crate::config::Config;
use crate::public_tls::PublicTlsError;
use crate::public_tls::certificate::{PublicCertificate, Standing};

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest file of roots: a hundred of RSA-4096.
const MAXIMUM_ROOTS_BYTES: u64 = 256 * 1024;

/// The public listener's certificate where an ACME server issues it.
#[derive(Debug)]
pub(crate) struct FromAcme {
    pub(super) host: String,
    pub(super) contacts: Vec<String>,
    pub(super) transport: Transport,
    /// What the listener has.
    pub(super) tls: ServerTls,
    /// What it is given, without the answer to a challenge.
    pub(super) serving: ServerTls,
    pub(super) record: PublicCertificateRecord,
    revision: Option<Generation>,
    /// Whether there is something in the record that is not in the store.
    unkept: bool,
    /// When the next certificate is ordered; `None` without one that is for this host.
    renew_at: Option<UnixTime>,
    told: Standing,
    certificate: PublicCertificate,
    store: Option<Arc<dyn Store>>,
}

impl FromAcme {
    /// As the configuration says; `None` if it names no server.
    pub(crate) fn open(config: &Config) -> Result<Option<Self>, PublicTlsError> {
        let acme = &config.listen.acme;
        let Some(directory) = acme.directory.clone() else { return Ok(None) };
        let root_ca = acme.root_ca.as_ref().map(read_roots).transpose()?;
        let transport = Transport::new(root_ca).map_err(PublicTlsError::Roots)?;
        let serving = ServerTls::without_certificate().map_err(PublicTlsError::Tls)?;
        let tls = ServerTls::without_certificate().map_err(PublicTlsError::Tls)?;
        Ok(Some(Self {
            host: config.issuer.url.host().to_owned(),
            contacts: acme.contacts.clone(),
            transport,
            tls,
            serving,
            record: PublicCertificateRecord { directory, ..PublicCertificateRecord::default() },
            revision: None,
            unkept: false,
            renew_at: None,
            told: Standing::Good,
            certificate: PublicCertificate::default(),
            store: None,
        }))
    }

    /// What the listener serves with.
    pub(crate) fn tls(&self) -> &ServerTls {
        &self.tls
    }

    /// What is told of it.
    pub(crate) fn certificate(&self) -> &PublicCertificate {
        &self.certificate
    }

    /// Takes up what an earlier run has kept.
    pub(crate) async fn load(
        &mut self,
        store: Arc<dyn Store>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let kept = load_records::<PublicCertificateRecord>(&*store).await?.pop();
        self.store = Some(store);
        let Some((mut kept, revision)) = kept else { return Ok(()) };
        self.revision = Some(revision);
        if kept.directory != self.record.directory {
            // Another server knows nothing of account and order, and had no part in what failed.
            let directory = self.record.directory.clone();
            kept = PublicCertificateRecord {
                directory,
                certificate: kept.certificate,
                ..self.record.clone()
            };
        }
        kept.order = kept.order.filter(|order| order.host == self.host);
        let until = |at| schedule::wait_after_start(now, at, kept.is_firm);
        kept.not_before = kept.not_before.map(until);
        self.record = kept;
        if let Some(issued) = self.record.certificate.clone()
            && let Err(error) = self.serve(&issued)
        {
            let cause = crate::chain(&error);
            tracing::error!(error.cause = cause, "the stored public certificate cannot be used");
        }
        if self.renew_at.is_none() && self.record.failures == 0 {
            // The rest after a success is that of another host's certificate.
            self.record.not_before = None;
        }
        Ok(())
    }

    /// Orders certificates when they are due, for ever.
    pub(crate) async fn follow(mut self, authority: Authority) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut clock_told = false;
        loop {
            every.tick().await;
            let sound = authority.sound_time();
            if let (Err(fault), false) = (&sound, clock_told) {
                tracing::warn!(clock.fault = %fault, "no public certificate is ordered by this clock");
            }
            clock_told = sound.is_err();
            if let Ok(now) = sound {
                self.look(&authority, now).await;
            }
            self.certificate.tell(&mut self.told, authority.now());
        }
    }

    async fn look(&mut self, authority: &Authority, now: UnixTime) {
        if self.unkept && self.keep().await.is_err() {
            // Without a store that writes, an order would be forgotten.
            return;
        }
        if !self.is_due(now) {
            return;
        }
        // Of an attempt before this one.
        let _stale = self.transport.take_told();
        let obtained = match tokio::time::timeout(LONGEST, self.obtain()).await {
            Ok(obtained) => obtained.and_then(|issued| {
                self.accept(&issued, now)?;
                Ok(issued)
            }),
            Err(_) => Err(AcmeError::TooLong),
        };
        // Without the answer to the challenge.
        self.tls.replace(&self.serving);
        match obtained {
            Ok(issued) => self.succeeded(issued, now),
            // By the clock after the attempt, which may have taken minutes.
            Err(error) => self.failed(&error, authority.now()),
        }
        if let Err(error) = self.keep().await {
            let cause = crate::chain(&error);
            tracing::error!(
                error.cause = cause,
                "the public certificate's record cannot be written"
            );
        }
    }

    /// Whether a certificate should be ordered now.
    fn is_due(&self, now: UnixTime) -> bool {
        let put_off = self.record.not_before.is_some_and(|not_before| now < not_before);
        !put_off && self.renew_at.is_none_or(|renew_at| now >= renew_at)
    }

    /// Refuses what was issued for another host or another time.
    fn accept(&mut self, issued: &IssuedCertificate, now: UnixTime) -> Result<(), AcmeError> {
        let identity = identity(issued).map_err(AcmeError::Unusable)?;
        let validity = identity.validity().ok_or(AcmeError::Misissued)?;
        if !identity.is_for(&self.host) || now > validity.not_after {
            return Err(AcmeError::Misissued);
        }
        self.serve(issued).map_err(AcmeError::Unusable)
    }

    /// Serves a certificate from the next connection on.
    fn serve(&mut self, issued: &IssuedCertificate) -> Result<(), TlsError> {
        let identity = identity(issued)?;
        self.serving = ServerTls::server_only(&identity)?;
        self.tls.replace(&self.serving);
        let validity = identity.validity();
        self.certificate.set(validity);
        let for_this_host = validity.filter(|_| identity.is_for(&self.host));
        self.renew_at = for_this_host.map(|validity| {
            schedule::renewal(validity).plus(jitter(schedule::renewal_spread(validity)))
        });
        Ok(())
    }

    fn succeeded(&mut self, issued: IssuedCertificate, now: UnixTime) {
        let (directory, account) = (self.record.directory.clone(), self.record.account.clone());
        self.record = PublicCertificateRecord {
            directory,
            account,
            certificate: Some(issued),
            not_before: self
                .certificate
                .validity()
                .map(|validity| now.plus(schedule::rest(validity))),
            is_firm: true,
            ..PublicCertificateRecord::default()
        };
        tracing::info!(
            issuer.host = self.host,
            certificate.not_after = self.certificate.not_after().map_or(0, |time| time.0),
            "the ACME server issued the public listener's certificate"
        );
    }

    fn failed(&mut self, error: &AcmeError, now: UnixTime) {
        let told = self.transport.take_told();
        self.record.failures = self.record.failures.saturating_add(1);
        let wait = schedule::wait(self.record.failures, told);
        let wait = wait.saturating_add(jitter(schedule::spread(wait)));
        self.record.not_before = Some(now.plus(wait));
        self.record.is_firm = told.is_some();
        if error.ends_the_order() {
            self.record.order = None;
        }
        if error.ends_the_account() {
            self.record.account = None;
        }
        tracing::error!(
            error.cause = crate::chain(error),
            issuer.host = self.host,
            acme.failures = self.record.failures,
            acme.wait_seconds = wait.as_secs(),
            "no certificate for the public listener; what serves now goes on"
        );
    }

    /// Writes the record.
    pub(super) async fn keep(&mut self) -> Result<(), StoreError> {
        self.unkept = true;
        let Some(store) = &self.store else { return Ok(()) };
        let expected = self.revision.map_or(Expected::Absent, Expected::Revision);
        let change = Change::put(&self.record, expected)?;
        match store.commit(vec![change]).await {
            Ok(revision) => self.revision = Some(revision),
            Err(error) => {
                // A write that was not acknowledged may have happened all the same.
                if let Ok(mut found) = load_records::<PublicCertificateRecord>(&**store).await {
                    self.revision = found.pop().map(|(_, revision)| revision);
                }
                return Err(error);
            }
        }
        self.unkept = false;
        Ok(())
    }
}

fn identity(issued: &IssuedCertificate) -> Result<TlsIdentity, TlsError> {
    TlsIdentity::from_pem(issued.chain.as_bytes(), issued.key.expose().to_vec().into())
}

fn read_roots(path: &PathBuf) -> Result<Vec<u8>, PublicTlsError> {
    let failed = |source| PublicTlsError::RootFile { path: path.clone(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAXIMUM_ROOTS_BYTES {
        let text = format!("it is larger than {MAXIMUM_ROOTS_BYTES} bytes");
        return Err(failed(std::io::Error::other(text)));
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_read_up_to_their_limit_and_not_one_byte_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roots.pem");
        let limit = usize::try_from(MAXIMUM_ROOTS_BYTES).unwrap();
        std::fs::write(&path, vec![b' '; limit]).unwrap();
        assert_eq!(read_roots(&path).unwrap().len(), limit);
        std::fs::write(&path, vec![b' '; limit + 1]).unwrap();
        let refused = crate::chain(&read_roots(&path).unwrap_err());
        assert!(refused.starts_with("listen.acme.root_ca: cannot read "), "{refused}");
    }
}
